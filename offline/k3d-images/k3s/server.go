package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	dataDir           = "/var/lib/rancher/k3s"
	defaultKubeconfig = "/etc/rancher/k3s/k3s.yaml"
)

// process is one part of the cluster. Its log is beside its data, because k3d scans the node's own log for signals.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// server is the running cluster of one node container.
type server struct {
	options
	nodeIP    string
	mutex     sync.Mutex // a signal can end the server while it starts
	processes []*process
	died      chan *process
}

func serve(o options) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	nodeIP, err := ownIP()
	if err != nil {
		return err
	}
	s := &server{options: o, nodeIP: nodeIP, died: make(chan *process, 8)}
	started := make(chan error, 1)
	go func() { started <- s.start() }()
	for {
		select {
		case err := <-started:
			if err != nil {
				s.stop()
				return err
			}
			started = nil
		case p := <-s.died:
			s.stop()
			return fmt.Errorf("%s exited: %v; the end of its log:\n%s", p.name, p.cmd.ProcessState, tail(p.logFile()))
		case <-signals:
			logLine("info", "Shutting down")
			s.stop()
			return nil
		}
	}
}

// start brings up the parts in order: each needs the previous one.
func (s *server) start() error {
	logLine("info", "Starting k3s (a stand-in with a simulated node)")
	if err := s.writeTrust(); err != nil {
		return err
	}
	if err := s.startControlPlane(); err != nil {
		return err
	}
	api, err := newClient()
	if err != nil {
		return err
	}
	if err := api.waitReady(); err != nil {
		return err
	}
	if err := s.linkKubeconfig(); err != nil {
		return err
	}
	logLine("info", "k3s is up and running")
	if err := s.startControllers(); err != nil {
		return err
	}
	if err := s.registerNode(api); err != nil {
		return err
	}
	if err := s.startNode(); err != nil {
		return err
	}
	if s.isDisabled("coredns") {
		return nil
	}
	if err := s.writeCoreDNS(); err != nil {
		return err
	}
	applied, err := applyManifest(api, coreDNSManifest, nil)
	if err != nil {
		return err
	}
	logLine("info", "Cluster dns configmap has been set successfully")
	go followManifest(api, coreDNSManifest, applied)
	return nil
}

// writeTrust keeps the authorities of the first start. It renews their certificates for the addresses of this start.
func (s *server) writeTrust() error {
	for _, dir := range []string{tlsDir, dataDir + "/server/manifests", dataDir + "/server/logs", filepath.Dir(defaultKubeconfig)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	authorities := map[string]*authority{}
	for _, name := range []string{"server-ca", "client-ca", "request-header-ca"} {
		loaded, err := loadAuthority(name)
		if err != nil {
			return err
		}
		authorities[name] = loaded
	}
	if _, err := loadKey("service"); err != nil {
		return err
	}
	serviceIP, err := netip.ParsePrefix(s.serviceCIDR)
	if err != nil {
		return fmt.Errorf("--service-cidr: %w", err)
	}
	names := append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + s.clusterDomain,
		"localhost", s.nodeName, "127.0.0.1", s.nodeIP, serviceIP.Masked().Addr().Next().String(),
	}, s.tlsSANs...)
	if err := authorities["server-ca"].issue("serving", pkix.Name{CommonName: "k3s"}, x509.ExtKeyUsageServerAuth, names); err != nil {
		return err
	}
	admin := pkix.Name{CommonName: "system:admin", Organization: []string{"system:masters"}}
	if err := authorities["client-ca"].issue("admin", admin, x509.ExtKeyUsageClientAuth, nil); err != nil {
		return err
	}
	proxy := pkix.Name{CommonName: "system:auth-proxy"}
	if err := authorities["request-header-ca"].issue("auth-proxy", proxy, x509.ExtKeyUsageClientAuth, nil); err != nil {
		return err
	}
	return s.writeKubeconfig(dataDir + "/server/cred/admin.kubeconfig")
}

func (s *server) startControlPlane() error {
	// fsync takes most of etcd's time, and a test cluster may lose its last writes in a power cut.
	err := s.run("etcd", "--data-dir", dataDir+"/server/db/etcd", "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
		"--initial-cluster", "default=http://127.0.0.1:2380")
	if err != nil {
		return err
	}
	if err := waitForPort("127.0.0.1:2379", 60*time.Second); err != nil {
		return err
	}
	args := []string{
		"--bind-address=0.0.0.0", "--secure-port=" + s.httpsPort, "--advertise-address=" + s.nodeIP, "--allow-privileged=true",
		"--etcd-servers=http://127.0.0.1:2379", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + s.serviceCIDR,
		"--client-ca-file=" + tlsFile("client-ca.crt"),
		"--tls-cert-file=" + tlsFile("serving.crt"), "--tls-private-key-file=" + tlsFile("serving.key"),
		"--service-account-issuer=https://kubernetes.default.svc." + s.clusterDomain,
		"--service-account-key-file=" + tlsFile("service.key"), "--service-account-signing-key-file=" + tlsFile("service.key"),
		"--requestheader-client-ca-file=" + tlsFile("request-header-ca.crt"), "--requestheader-allowed-names=system:auth-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + tlsFile("auth-proxy.crt"), "--proxy-client-key-file=" + tlsFile("auth-proxy.key"),
	}
	return s.run("kube-apiserver", append(args, s.apiServerArgs...)...)
}

func (s *server) startControllers() error {
	kubeconfig := "--kubeconfig=" + dataDir + "/server/cred/admin.kubeconfig"
	controllers := []string{
		kubeconfig, "--leader-elect=false", "--use-service-account-credentials=true",
		"--service-account-private-key-file=" + tlsFile("service.key"), "--root-ca-file=" + tlsFile("server-ca.crt"),
		"--cluster-signing-cert-file=" + tlsFile("client-ca.crt"), "--cluster-signing-key-file=" + tlsFile("client-ca.key"),
		"--allocate-node-cidrs=true", "--cluster-cidr=" + s.clusterCIDR, "--service-cluster-ip-range=" + s.serviceCIDR,
	}
	if err := s.run("kube-controller-manager", append(controllers, s.controllerArgs...)...); err != nil {
		return err
	}
	return s.run("kube-scheduler", append([]string{kubeconfig, "--leader-elect=false"}, s.schedulerArgs...)...)
}

func (s *server) startNode() error {
	args := []string{
		"--kubeconfig=" + dataDir + "/server/cred/admin.kubeconfig", "--manage-all-nodes=true", "--node-ip=" + s.nodeIP,
		"--node-lease-duration-seconds=40",
	}
	if !s.isDisabled("servicelb") {
		config := dataDir + "/server/kwok.yaml"
		if err := os.WriteFile(config, []byte(loadBalancerStage(s.nodeIP)), 0o644); err != nil {
			return err
		}
		args = append(args, "--config="+config)
	}
	return s.run("kwok", args...)
}

func (s *server) run(name string, args ...string) error {
	p := &process{name: name, cmd: exec.Command("/opt/k3s/"+name, args...), done: make(chan struct{})}
	log, err := os.Create(p.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	logLine("info", "Running "+name)
	s.mutex.Lock()
	s.processes = append(s.processes, p)
	s.mutex.Unlock()
	go func() {
		_ = p.cmd.Wait() // the outcome is read from ProcessState
		close(p.done)
		s.died <- p
	}()
	return nil
}

func (p *process) logFile() string { return dataDir + "/server/logs/" + p.name + ".log" }

// stop ends the parts in reverse order, so that none loses its backend. docker stop allows ten seconds in total.
func (s *server) stop() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for i := len(s.processes) - 1; i >= 0; i-- {
		p := s.processes[i]
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			logLine("warning", fmt.Sprintf("cannot stop %s: %v", p.name, err))
		}
		select {
		case <-p.done:
		case <-time.After(2 * time.Second):
			if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				logLine("warning", fmt.Sprintf("cannot kill %s: %v", p.name, err))
			}
			<-p.done
		}
	}
}

func (s *server) writeKubeconfig(path string) error {
	var data [3]string
	for i, file := range []string{"server-ca.crt", "admin.crt", "admin.key"} {
		bytes, err := os.ReadFile(tlsFile(file))
		if err != nil {
			return err
		}
		data[i] = base64.StdEncoding.EncodeToString(bytes)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: default
  cluster:
    certificate-authority-data: %s
    server: https://127.0.0.1:%s
contexts:
- name: default
  context:
    cluster: default
    user: default
current-context: default
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, data[0], s.httpsPort, data[1], data[2])
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// linkKubeconfig writes the kubeconfig to the requested path, and links the default path to it, as k3s does.
func (s *server) linkKubeconfig() error {
	if s.kubeconfig == "" || s.kubeconfig == defaultKubeconfig {
		return s.writeKubeconfig(defaultKubeconfig)
	}
	if err := s.writeKubeconfig(s.kubeconfig); err != nil {
		return err
	}
	if err := os.Remove(defaultKubeconfig); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(s.kubeconfig, defaultKubeconfig)
}

// ownIP is the container's address on its Docker network. It can change at each start.
func ownIP() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, address := range addresses {
		if ip, ok := address.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			return ip.IP.String(), nil
		}
	}
	return "", errors.New("this container has no IPv4 address: run it on a Docker network")
}

func waitForPort(address string, limit time.Duration) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return connection.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nothing listens on %s after %s: %w", address, limit, err)
		}
	}
}

func tail(path string) string {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(bytes)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
