// Command k3d-tools stands in for ghcr.io/k3d-io/k3d-tools, where that image cannot be pulled. k3d keeps this helper
// container beside a cluster while it creates the cluster (noop). With a remote Docker engine k3d saves images in it
// (save-image). Not tested with it: the rest of that image (bash, Alpine's packages).
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "noop":
		for {
			time.Sleep(time.Hour)
		}
	case len(args) > 3 && args[0] == "save-image" && args[1] == "-d":
		return save(args[2], args[3:])
	default:
		return fmt.Errorf("k3d-tools here is a stand-in with two commands: noop, save-image -d FILE IMAGE...; got %q", args)
	}
}

// save writes the images as one archive, through the engine's socket that k3d mounts into this container.
func save(file string, images []string) error {
	socket := "/var/run/docker.sock"
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	engine := &http.Client{Transport: &http.Transport{DialContext: dial}}
	response, err := engine.Get("http://docker/images/get?" + url.Values{"names": images}.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("saving %v: %s", images, response.Status)
	}
	archive, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(archive, response.Body); err != nil {
		return err
	}
	return archive.Close()
}
