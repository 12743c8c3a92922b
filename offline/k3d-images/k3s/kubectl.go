package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// kubectl implements the two calls that k3d's entrypoint makes in a server node: uncordon after the start, and drain
// before the end. Both fail while the API server does not answer. The entrypoint repeats uncordon until it succeeds.
func kubectl(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("kubectl here is a stand-in with two commands: uncordon NODE, drain NODE; got %q", args)
	}
	api, err := newClient()
	if err != nil {
		return err
	}
	node := args[1]
	switch args[0] {
	case "uncordon":
		return setUnschedulable(api, node, false)
	case "drain":
		for _, flag := range args[2:] {
			if !listed("--force --delete-emptydir-data --ignore-daemonsets --disable-eviction", flag) {
				return fmt.Errorf("unknown flag of kubectl drain in this stand-in: %s", flag)
			}
		}
		return drain(api, node)
	default:
		return fmt.Errorf("kubectl here is a stand-in with two commands: uncordon NODE, drain NODE; got %q", args)
	}
}

func setUnschedulable(api *client, node string, value bool) error {
	body := fmt.Sprintf(`{"spec":{"unschedulable":%t}}`, value)
	if err := api.call("PATCH", "/api/v1/nodes/"+node, "application/merge-patch+json", []byte(body), nil); err != nil {
		return fmt.Errorf("node/%s: %w", node, err)
	}
	fmt.Printf("node/%s %s\n", node, map[bool]string{true: "cordoned", false: "uncordoned"}[value])
	return nil
}

type podList struct {
	Items []struct {
		Metadata struct {
			Name, Namespace string
			OwnerReferences []struct{ Kind string }
		}
	}
}

// drain deletes the node's pods, except those of DaemonSets, and waits until they are gone.
func drain(api *client, node string) error {
	if err := setUnschedulable(api, node, true); err != nil {
		return err
	}
	deleted := map[string]bool{}
	for {
		var pods podList
		if err := api.call("GET", "/api/v1/pods?fieldSelector=spec.nodeName="+node, "", nil, &pods); err != nil {
			return err
		}
		left := 0
		for _, pod := range pods.Items {
			if owners := pod.Metadata.OwnerReferences; len(owners) > 0 && owners[0].Kind == "DaemonSet" {
				continue
			}
			left++
			path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s", pod.Metadata.Namespace, pod.Metadata.Name)
			if deleted[path] {
				continue
			}
			if err := api.call("DELETE", path, "", nil, nil); err != nil && !errors.Is(err, errNotFound) {
				return err
			}
			deleted[path] = true
		}
		if left == 0 {
			fmt.Printf("node/%s drained\n", node)
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// serverAddress returns the API server's address from the node's kubeconfig.
func serverAddress() (string, error) {
	text, err := os.ReadFile(dataDir + "/server/cred/admin.kubeconfig")
	if err != nil {
		return "", err
	}
	_, after, found := strings.Cut(string(text), "server: ")
	if !found {
		return "", errors.New("the administrator's kubeconfig names no server")
	}
	address, _, _ := strings.Cut(after, "\n")
	return address, nil
}
