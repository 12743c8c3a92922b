package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// client speaks to this cluster's API server as its administrator.
type client struct {
	http   *http.Client
	server string
}

var errNotFound = errors.New("not found")

func newClient() (*client, error) {
	certificate, err := tls.LoadX509KeyPair(tlsFile("admin.crt"), tlsFile("admin.key"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(tlsFile("server-ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	server, err := serverAddress()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots}}
	return &client{&http.Client{Transport: transport, Timeout: 10 * time.Second}, server}, nil
}

// call sends body (nil: none) and decodes the answer into result (nil: not wanted).
func (c *client) call(method, path, contentType string, body []byte, result any) error {
	request, err := http.NewRequest(method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusNotFound {
		return errNotFound
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer, result)
}

// apply is server-side apply, which takes YAML as well as JSON.
func (c *client) apply(path string, object []byte) error {
	return c.call("PATCH", path+"?fieldManager=k3s&force=true", "application/apply-patch+yaml", object, nil)
}

func (c *client) waitReady() error {
	const limit = 3 * time.Minute
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		err := c.call("GET", "/readyz", "", nil, nil)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the API server is not ready after %s: %w", limit, err)
		}
	}
}
