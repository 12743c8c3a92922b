// Command k3s stands in for rancher/k3s in a node container of k3d, where that image cannot be pulled.
//
// What is real: the API server, controller manager, scheduler and etcd, at the Kubernetes version they were built from;
// the certificates and names, the kubeconfig, the log lines k3d waits for, the volumes, and the way k3d starts, drains
// and stops a node. What is simulated: the node and its pods (kwok), and the address of a LoadBalancer service.
//
// It leaves unproved: everything that needs a running pod (traffic, CoreDNS answering, network policies, images being
// pulled or run), the files and packaged components of the real image other than CoreDNS's objects, agents, servers
// that join one another, and the supervisor's own endpoints on port 6443.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run serves the names under which the image holds this one program, as the real one does.
func run(name string, args []string) error {
	if name == "k3s" && len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "server":
		options, err := parseFlags(args)
		if err != nil {
			return err
		}
		if err := serve(options); err != nil {
			// k3d reads this level as a node that crashed and may recover when Docker starts it again.
			logLine("fatal", err.Error())
			os.Exit(1)
		}
		return nil
	case "kubectl":
		return kubectl(args)
	case "ctr":
		return ctr(args)
	default:
		return fmt.Errorf("%q is not part of this stand-in for k3s: it has server, kubectl (uncordon, drain) and ctr (image import, image ls)", name)
	}
}

// logLine writes a line in the form of the real server's log.
func logLine(level, message string) {
	fmt.Fprintf(os.Stderr, "time=%q level=%s msg=%q\n", time.Now().UTC().Format(time.RFC3339), level, message)
}
