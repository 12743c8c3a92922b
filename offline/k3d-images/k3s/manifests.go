package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"
)

// coreDNSManifest is the file where k3d writes the names of the network's containers, under NodeHosts.
const coreDNSManifest = dataDir + "/server/manifests/coredns.yaml"

// writeCoreDNS writes the manifest again at every start, as k3s does with its packaged components. Entries that k3d
// added before a restart are lost until k3d starts the cluster again.
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

// field finds a scalar by the start of its line. That suffices for the manifests above, even after k3d's edits.
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
