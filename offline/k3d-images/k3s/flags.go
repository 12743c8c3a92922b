package main

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// options are the flags of `k3s server` that change what this stand-in does.
type options struct {
	clusterDomain, clusterCIDR, serviceCIDR, clusterDNS string
	httpsPort                                           string
	nodeName                                            string
	kubeconfig                                          string
	tlsSANs, disabled, nodeLabels                       []string
	apiServerArgs, controllerArgs, schedulerArgs        []string
}

// Flags of the real server. Flags that tune only the simulated parts are accepted and change nothing.
const (
	knownValues = `advertise-address advertise-port agent-token agent-token-file bind-address cluster-cidr cluster-dns
cluster-domain config datastore-cafile datastore-certfile datastore-keyfile default-local-storage-path default-runtime
disable egress-selector-mode etcd-arg etcd-snapshot-compress etcd-snapshot-dir etcd-snapshot-name
etcd-snapshot-retention etcd-snapshot-schedule-cron flannel-backend flannel-cni-conf flannel-conf flannel-iface
helm-job-image https-listen-port image-credential-provider-bin-dir image-credential-provider-config
image-service-endpoint kube-apiserver-arg kube-cloud-controller-manager-arg kube-controller-manager-arg kube-proxy-arg
kube-scheduler-arg kubelet-arg lb-server-port log node-external-dns node-external-ip node-internal-dns node-ip
node-label node-name node-taint pause-image private-registry resolv-conf service-cidr service-node-port-range
servicelb-namespace snapshotter system-default-registry tls-san token token-file v vmodule write-kubeconfig
write-kubeconfig-group write-kubeconfig-mode`
	knownSwitches = `alsologtostderr debug disable-apiserver-lb disable-cloud-controller disable-default-registry-endpoint
disable-helm-controller disable-kube-proxy disable-network-policy disable-scheduler embedded-registry enable-pprof
etcd-disable-snapshots etcd-expose-metrics flannel-external-ip flannel-ipv6-masq prefer-bundled-bin
protect-kernel-defaults secrets-encryption selinux supervisor-metrics tls-san-security with-node-id`
	// Flags of the real server that one simulated server cannot honour.
	notHere = `cluster-init cluster-reset cluster-reset-restore-path container-runtime-endpoint data-dir datastore-endpoint
disable-agent disable-controller-manager disable-etcd docker etcd-s3 rootless server vpn-auth vpn-auth-file`
)

func parseFlags(args []string) (options, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return options{}, err
	}
	o := options{
		clusterDomain: "cluster.local", clusterCIDR: "10.42.0.0/16", serviceCIDR: "10.43.0.0/16",
		httpsPort: "6443", nodeName: hostname, kubeconfig: os.Getenv("K3S_KUBECONFIG_OUTPUT"),
	}
	aliases := map[string]string{"c": "config", "d": "data-dir", "l": "log", "o": "write-kubeconfig", "s": "server", "t": "token"}
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			return o, fmt.Errorf("unexpected argument %q after the flags of k3s server", args[i])
		}
		name, value, hasValue := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if full, ok := aliases[name]; ok {
			name = full
		}
		switch {
		case listed(notHere, name):
			return o, fmt.Errorf("--%s is a flag of k3s that its stand-in cannot honour: it is one server with its own store", name)
		case listed(knownSwitches, name):
			if hasValue {
				if _, err := strconv.ParseBool(value); err != nil {
					return o, fmt.Errorf("invalid boolean value %q for --%s", value, name)
				}
			}
			continue
		case !listed(knownValues, name):
			return o, fmt.Errorf("flag provided but not defined: -%s", name)
		}
		if !hasValue {
			if i+1 == len(args) {
				return o, fmt.Errorf("flag needs an argument: -%s", name)
			}
			i++
			value = args[i]
		}
		o.set(name, value)
	}
	return o, o.chooseDNS()
}

// chooseDNS takes the tenth address of the services' range, as k3s does (pkg/cli/server, "cluster-dns").
func (o *options) chooseDNS() error {
	if o.clusterDNS != "" {
		return nil
	}
	services, err := netip.ParsePrefix(o.serviceCIDR)
	if err != nil {
		return fmt.Errorf("--service-cidr: %w", err)
	}
	address := services.Masked().Addr()
	for range 10 {
		address = address.Next()
	}
	o.clusterDNS = address.String()
	return nil
}

func (o *options) set(name, value string) {
	switch name {
	case "cluster-domain":
		o.clusterDomain = value
	case "cluster-cidr":
		o.clusterCIDR = value
	case "service-cidr":
		o.serviceCIDR = value
	case "cluster-dns":
		o.clusterDNS = value
	case "https-listen-port":
		o.httpsPort = value
	case "node-name":
		o.nodeName = value
	case "write-kubeconfig":
		o.kubeconfig = value
	case "tls-san":
		o.tlsSANs = append(o.tlsSANs, strings.Split(value, ",")...)
	case "disable":
		o.disabled = append(o.disabled, strings.Split(value, ",")...)
	case "node-label":
		o.nodeLabels = append(o.nodeLabels, strings.Split(value, ",")...)
	case "kube-apiserver-arg":
		o.apiServerArgs = append(o.apiServerArgs, "--"+value)
	case "kube-controller-manager-arg":
		o.controllerArgs = append(o.controllerArgs, "--"+value)
	case "kube-scheduler-arg":
		o.schedulerArgs = append(o.schedulerArgs, "--"+value)
	}
}

func (o *options) isDisabled(component string) bool {
	for _, name := range o.disabled {
		if name == component {
			return true
		}
	}
	return false
}

func listed(names, name string) bool {
	for _, known := range strings.Fields(names) {
		if known == name {
			return true
		}
	}
	return false
}
