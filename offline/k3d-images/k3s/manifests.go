package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"
)

// coreDNSManifest is the file in which k3d writes the names of the containers on the network, under NodeHosts.
const coreDNSManifest = dataDir + "/server/manifests/coredns.yaml"

// writeCoreDNS stages the manifest anew at every start, as k3s does with the components it packages: what k3d wrote
// into it before a restart is lost until k3d starts the cluster again.
func (s *server) writeCoreDNS() error {
	text := fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata:
  name: coredns
  namespace: kube-system
data:
  Corefile: |
    .:53 {
        errors
        health
        ready
        kubernetes %s in-addr.arpa ip6.arpa {
          pods insecure
          fallthrough in-addr.arpa ip6.arpa
        }
        hosts /etc/coredns/NodeHosts {
          ttl 60
          reload 15s
          fallthrough
        }
        forward . /etc/resolv.conf
        cache 30
        loop
        reload
    }
  NodeHosts: |
    %s %s
---
apiVersion: v1
kind: Service
metadata:
  name: kube-dns
  namespace: kube-system
spec:
  clusterIP: %s
  selector:
    k8s-app: kube-dns
  ports:
  - name: dns
    port: 53
    protocol: UDP
  - name: dns-tcp
    port: 53
    protocol: TCP
`, s.clusterDomain, s.nodeIP, s.nodeName, s.clusterDNS)
	return os.WriteFile(coreDNSManifest, []byte(text), 0o600)
}

var collections = map[string]string{"ConfigMap": "configmaps", "Service": "services"}

// applyManifest applies the file's documents when its text is not `before`, and returns the text.
func applyManifest(api *client, path string, before []byte) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil || bytes.Equal(text, before) {
		return before, err
	}
	for _, document := range strings.Split(string(text), "\n---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		collection, known := collections[field(document, "kind: ")]
		if !known {
			return before, fmt.Errorf("%s: this stand-in applies ConfigMaps and Services, not kind %q", path, field(document, "kind: "))
		}
		object := fmt.Sprintf("/api/v1/namespaces/%s/%s/%s", field(document, "  namespace: "), collection, field(document, "  name: "))
		if err := api.apply(object, []byte(document)); err != nil {
			return before, err
		}
	}
	return text, nil
}

// field finds a scalar of the manifests above by the start of its line: they are ours, or ours as k3d wrote them back.
func field(document, prefix string) string {
	for _, line := range strings.Split(document, "\n") {
		if value, found := strings.CutPrefix(line, prefix); found {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

func followManifest(api *client, path string, applied []byte) {
	for range time.Tick(time.Second) {
		text, err := applyManifest(api, path, applied)
		if err != nil {
			logLine("error", err.Error())
			continue
		}
		applied = text
	}
}
