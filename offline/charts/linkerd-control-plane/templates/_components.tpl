{{- /* What differs between the three Deployments. `ports` of a service: port -> target port; `checksum`: the template
whose change restarts the pods; `sidecar`: the proxy runs as a native sidecar (identity's does not). */ -}}
{{- define "standin.components" -}}
- name: identity
  sidecar: false
  podAnnotations: identity
  containers:
    - name: identity
      args:
        - identity
        - -controller-namespace={{ .Release.Namespace }}
        - -identity-trust-domain={{ include "standin.trustDomain" . }}
        - -identity-scheme={{ .Values.identity.issuer.scheme }}
        - -log-level={{ .Values.controllerLogLevel }}
      ports: { ident-grpc: 8080, ident-admin: 9990 }
      mounts: { identity-issuer: /var/run/linkerd/identity/issuer, trust-roots: /var/run/linkerd/identity/trust-roots/ }
  secrets: { identity-issuer: linkerd-identity-issuer }
  configMaps: { trust-roots: linkerd-identity-trust-roots }
  services:
    - { name: linkerd-identity, portName: grpc, port: 8080, targetPort: 8080 }
    - { name: linkerd-identity-headless, portName: grpc, port: 8080, targetPort: 8080, clusterIP: None }
- name: destination
  sidecar: true
  podAnnotations: destinationController
  checksum: standin.destinationWebhooks
  containers:
    - name: destination
      args:
        - destination
        - -controller-namespace={{ .Release.Namespace }}
        - -cluster-domain={{ .Values.clusterDomain }}
        - -identity-trust-domain={{ include "standin.trustDomain" . }}
        - -log-level={{ .Values.controllerLogLevel }}
      ports: { dest-grpc: 8086, dest-admin: 9996 }
    - name: sp-validator
      args: [sp-validator]
      ports: { sp-validator: 8443, spval-admin: 9997 }
      mounts: { sp-tls: /var/run/linkerd/tls }
    - name: policy
      args:
        - --control-plane-namespace={{ .Release.Namespace }}
        - --cluster-domain={{ .Values.clusterDomain }}
        - --identity-domain={{ include "standin.trustDomain" . }}
      ports: { policy-grpc: 8090, policy-admin: 9990, policy-https: 9443 }
      mounts: { policy-tls: /var/run/linkerd/tls }
  secrets: { sp-tls: linkerd-sp-validator-k8s-tls, policy-tls: linkerd-policy-validator-k8s-tls }
  services:
    - { name: linkerd-dst, portName: grpc, port: 8086, targetPort: 8086 }
    - { name: linkerd-dst-headless, portName: grpc, port: 8086, targetPort: 8086, clusterIP: None }
    - { name: linkerd-sp-validator, portName: sp-validator, port: 443, targetPort: sp-validator }
    - { name: linkerd-policy, portName: grpc, port: 8090, targetPort: 8090, clusterIP: None }
    - { name: linkerd-policy-validator, portName: policy-https, port: 443, targetPort: policy-https }
- name: proxy-injector
  sidecar: true
  # The real chart takes identity's here, not proxyInjector.podAnnotations.
  podAnnotations: identity
  checksum: standin.proxyInjectorWebhook
  containers:
    - name: proxy-injector
      args: [proxy-injector, -linkerd-namespace={{ .Release.Namespace }}, -log-level={{ .Values.controllerLogLevel }}]
      ports: { proxy-injector: 8443, injector-admin: 9995 }
      mounts: { config: /var/run/linkerd/config, trust-roots: /var/run/linkerd/identity/trust-roots, tls: /var/run/linkerd/tls }
  secrets: { tls: linkerd-proxy-injector-k8s-tls }
  configMaps: { config: linkerd-config, trust-roots: linkerd-identity-trust-roots }
  services:
    - { name: linkerd-proxy-injector, portName: proxy-injector, port: 443, targetPort: proxy-injector }
{{- end }}

{{- define "standin.proxyContainer" -}}
name: linkerd-proxy
image: {{ include "standin.proxyImage" . }}
imagePullPolicy: {{ .Values.imagePullPolicy }}
env:
  - name: LINKERD2_PROXY_LOG
    value: {{ .Values.proxy.logLevel | quote }}
  # Read when the container starts: new anchors need new pods, which the annotation with their hash brings about.
  - name: LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS
    valueFrom:
      configMapKeyRef: { name: linkerd-identity-trust-roots, key: ca-bundle.crt }
ports:
  - { name: linkerd-proxy, containerPort: 4143 }
  - { name: linkerd-admin, containerPort: 4191 }
# The API server does not store a delay of zero. A preview must not list it as changed.
startupProbe:
  httpGet: { path: /ready, port: 4191 }
  initialDelaySeconds: 0
{{- end }}
