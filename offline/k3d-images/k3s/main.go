// Command k3s stands in for rancher/k3s in a node container of k3d, where that image cannot be pulled.
//
// Real: the API server, controller manager, scheduler and etcd, at the Kubernetes version they were built from;
// the certificates and names, the kubeconfig, the log lines k3d waits for, the volumes, and the way k3d starts, drains
// and stops a node. Simulated: the node and its pods (kwok), and the address of a LoadBalancer service.
//
// Not tested with it: everything that needs a running pod (traffic, CoreDNS answering, network policies, images being
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

// run acts on the name of the program: like the real k3s, the image has this one program under several names.
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
			// k3d takes this level as a crashed node that may recover when Docker starts it again.
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
