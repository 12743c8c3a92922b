package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const tlsDir = dataDir + "/server/tls"

// authority is a certificate authority of this cluster. Kept with the cluster's data, so a restart changes no trust.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func tlsFile(name string) string { return filepath.Join(tlsDir, name) }

// loadAuthority reads an authority, or creates it at a cluster's first start.
func loadAuthority(name string) (*authority, error) {
	key, err := loadKey(name)
	if err != nil {
		return nil, err
	}
	bytes, err := os.ReadFile(tlsFile(name + ".crt"))
	if errors.Is(err, os.ErrNotExist) {
		template := &x509.Certificate{
			Subject:               pkix.Name{CommonName: fmt.Sprintf("k3s-%s@%d", name, time.Now().Unix())},
			IsCA:                  true,
			BasicConstraintsValid: true,
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
		return selfSign(name, template, key)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(bytes)
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate", tlsFile(name+".crt"))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	return &authority{certificate, key}, err
}

func selfSign(name string, template *x509.Certificate, key *ecdsa.PrivateKey) (*authority, error) {
	der, err := sign(template, template, key, key, 10*365*24*time.Hour)
	if err != nil {
		return nil, err
	}
	if err := writePEM(name+".crt", "CERTIFICATE", der, 0o644); err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key}, err
}

// issue writes a new certificate for the names (also IP addresses) and its key to <file>.crt and <file>.key.
func (a *authority) issue(file string, subject pkix.Name, usage x509.ExtKeyUsage, names []string) error {
	key, err := loadKey(file)
	if err != nil {
		return err
	}
	template := &x509.Certificate{Subject: subject, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := sign(template, a.certificate, key, a.key, 365*24*time.Hour)
	if err != nil {
		return err
	}
	return writePEM(file+".crt", "CERTIFICATE", der, 0o644)
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey, life time.Duration) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = time.Now().Add(life)
	return x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
}

func loadKey(name string) (*ecdsa.PrivateKey, error) {
	bytes, err := os.ReadFile(tlsFile(name + ".key"))
	if err == nil {
		block, _ := pem.Decode(bytes)
		if block == nil {
			return nil, fmt.Errorf("%s holds no key", tlsFile(name+".key"))
		}
		return x509.ParseECPrivateKey(block.Bytes)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(name+".key", "EC PRIVATE KEY", der, 0o600)
}

func writePEM(name, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(tlsFile(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
