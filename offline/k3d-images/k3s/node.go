package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// registerNode does the kubelet's part: it registers the node under the container's name, at its current address.
func (s *server) registerNode(api *client) error {
	labels := map[string]string{
		"kubernetes.io/arch": runtime.GOARCH, "kubernetes.io/os": "linux", "kubernetes.io/hostname": s.nodeName,
		"node-role.kubernetes.io/control-plane": "true", "node.kubernetes.io/instance-type": "k3s",
	}
	for _, label := range s.nodeLabels {
		key, value, _ := strings.Cut(label, "=")
		labels[key] = value
	}
	node, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{"name": s.nodeName, "labels": labels},
	})
	if err != nil {
		return err
	}
	path := "/api/v1/nodes/" + s.nodeName
	if err := api.apply(path, node); err != nil {
		return err
	}
	// After a restart, kwok simulates no pods on the node until the lease of the previous kwok has run out.
	lease := "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/" + s.nodeName
	if err := api.call("DELETE", lease, "", nil, nil); err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	status := fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":%q},{"type":"Hostname","address":%q}]}}`, s.nodeIP, s.nodeName)
	return api.call("PATCH", path+"/status", "application/merge-patch+json", []byte(status), nil)
}

// loadBalancerStage gives a LoadBalancer service the node's address, as k3s's servicelb does. After a restart it gives
// the new address, because Docker may have changed it.
func loadBalancerStage(nodeIP string) string {
	return fmt.Sprintf(`apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: service-load-balancer
spec:
  resourceRef:
    apiGroup: v1
    kind: Service
  selector:
    matchExpressions:
    - key: .spec.type
      operator: In
      values: [LoadBalancer]
    - key: .status.loadBalancer.ingress.[].ip
      operator: NotIn
      values: [%[1]q]
  next:
    statusTemplate: |
      loadBalancer:
        ingress:
        - ip: %[1]s
`, nodeIP)
}
