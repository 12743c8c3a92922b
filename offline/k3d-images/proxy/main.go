// Command nginx-proxy stands in for ghcr.io/k3d-io/k3d-proxy, where that image cannot be pulled. In the real image
// nginx forwards the ports of a k3d cluster to its nodes, and confd configures it from /etc/confd/values.yaml.
//
// It behaves like the real image in these points. TCP ports are forwarded to the nodes in turn. Node names are resolved
// only when the configuration is read. An unknown name ends the program with an error at the start, and keeps the old
// configuration later. A changed file is noticed within a second. The line "start worker processes" follows each
// reading.
//
// Not tested with it: UDP ports, nginx's timeouts and limits, and the six seconds the real image waits at every start.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const valuesFile = "/etc/confd/values.yaml"

// target is a node's name, and its address at the time the configuration was read.
type target struct{ name, address string }

// forward is one listening port. Its targets change with the file.
type forward struct {
	targets atomic.Pointer[[]target]
	next    atomic.Uint32
}

func main() {
	forwards := map[string]*forward{}
	text, err := os.ReadFile(valuesFile)
	if err == nil {
		err = configure(forwards, string(text))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "[emerg]", err)
		os.Exit(1)
	}
	for range time.Tick(time.Second) {
		changed, err := os.ReadFile(valuesFile)
		if err != nil || string(changed) == string(text) {
			continue
		}
		text = changed
		if err := configure(forwards, string(text)); err != nil {
			fmt.Fprintln(os.Stderr, "[emerg]", err)
		}
	}
}

// configure resolves every name before it changes anything.
func configure(forwards map[string]*forward, text string) error {
	ports, err := parsePorts(text)
	if err != nil {
		return err
	}
	resolved := map[string][]target{}
	for port, names := range ports {
		for _, name := range names {
			addresses, err := net.LookupHost(name)
			if err != nil {
				return fmt.Errorf("host not found in upstream %q: %w", name+":"+port, err)
			}
			resolved[port] = append(resolved[port], target{name, net.JoinHostPort(addresses[0], port)})
		}
	}
	for port, targets := range resolved {
		existing, listening := forwards[port]
		if !listening {
			existing = &forward{}
			existing.targets.Store(&targets)
			listener, err := net.Listen("tcp", ":"+port)
			if err != nil {
				return err
			}
			forwards[port] = existing
			go existing.accept(listener)
		}
		existing.targets.Store(&targets)
		fmt.Fprintf(os.Stderr, "port %s -> %v\n", port, targets)
	}
	fmt.Fprintln(os.Stderr, time.Now().UTC().Format("2006/01/02 15:04:05"), "[notice] start worker processes")
	return nil
}

// parsePorts reads the `ports` map of the file k3d writes: "<port>.<protocol>", then a list of node names.
func parsePorts(text string) (map[string][]string, error) {
	ports := map[string][]string{}
	inPorts, port := false, ""
	for _, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "":
		case strings.HasPrefix(trimmed, "- ") && inPorts:
			ports[port] = append(ports[port], strings.TrimPrefix(trimmed, "- "))
		case !strings.HasPrefix(line, " "):
			inPorts = trimmed == "ports:"
		case inPorts:
			number, protocol, _ := strings.Cut(strings.Trim(strings.TrimSuffix(trimmed, ":"), `"'`), ".")
			if protocol != "tcp" {
				return nil, fmt.Errorf("this stand-in for k3d-proxy forwards TCP only; %s asks for %q", valuesFile, trimmed)
			}
			port = number
		}
	}
	return ports, nil
}

func (f *forward) accept(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "[error]", err)
			return
		}
		go f.serve(connection)
	}
}

func (f *forward) serve(connection net.Conn) {
	defer connection.Close()
	targets := *f.targets.Load()
	for range targets {
		to := targets[int(f.next.Add(1))%len(targets)]
		upstream, err := net.DialTimeout("tcp", to.address, 2*time.Second)
		if err != nil {
			fmt.Fprintf(os.Stderr, "[error] %s: %v\n", to.name, err)
			continue
		}
		defer upstream.Close()
		go copyHalf(upstream, connection)
		copyHalf(connection, upstream)
		return
	}
}

// copyHalf ends when either side goes away. A forwarded connection normally ends that way, so it is no error.
func copyHalf(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}
