{{- define "standin.labels" -}}
linkerd.io/control-plane-component: {{ .component }}
linkerd.io/control-plane-ns: {{ .root.Release.Namespace }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "standin.createdBy" -}}
linkerd.io/created-by: linkerd/helm {{ .Values.linkerdVersion }}
{{- end }}

{{- define "standin.controllerImage" -}}
{{ .Values.controllerImage }}:{{ .Values.controllerImageVersion | default .Values.linkerdVersion }}
{{- end }}

{{- define "standin.proxyImage" -}}
{{ .Values.proxy.image.name }}:{{ .Values.proxy.image.version | default .Values.linkerdVersion }}
{{- end }}

{{- define "standin.trustDomain" -}}
{{ .Values.identityTrustDomain | default .Values.clusterDomain }}
{{- end }}

{{- /* The certificate of one webhook and the configuration that trusts it, as two documents. */ -}}
{{- define "standin.webhook" -}}
{{- $given := index .root.Values .key }}
{{- $host := printf "%s.%s.svc" .service .root.Release.Namespace }}
{{- $made := dict "Cert" "" "Key" "" }}
{{- if not (and $given.crtPEM $given.keyPEM $given.caBundle) }}
{{- $made = genSelfSignedCert $host (list) (list $host) 365 }}
{{- end }}
{{- if not $given.externalSecret }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .service }}-k8s-tls
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "standin.labels" . | nindent 4 }}
  annotations: {{- include "standin.createdBy" .root | nindent 4 }}
type: kubernetes.io/tls
data:
  tls.crt: {{ $given.crtPEM | default $made.Cert | trim | b64enc }}
  tls.key: {{ $given.keyPEM | default $made.Key | trim | b64enc }}
---
{{- else if not $given.caBundle }}
{{- fail (printf "%s.externalSecret needs %s.caBundle" .key .key) }}
{{- end }}
apiVersion: admissionregistration.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ .service }}-webhook-config
  labels: {{- include "standin.labels" . | nindent 4 }}
webhooks:
  - name: {{ .service }}.linkerd.io
    namespaceSelector: {{- toYaml $given.namespaceSelector | nindent 6 }}
    {{- with $given.objectSelector }}
    objectSelector: {{- toYaml . | nindent 6 }}
    {{- end }}
    clientConfig:
      service:
        name: {{ .service }}
        namespace: {{ .root.Release.Namespace }}
        path: /
      caBundle: {{ $given.caBundle | default $made.Cert | trim | b64enc }}
    failurePolicy: {{ .root.Values.webhookFailurePolicy }}
    timeoutSeconds: {{ $given.timeoutSeconds | default 10 }}
    admissionReviewVersions: [v1, v1beta1]
    sideEffects: None
    rules: {{- .rules | nindent 6 }}
{{- end }}

{{- define "standin.proxyInjectorWebhook" -}}
{{- include "standin.webhook" (dict "root" . "key" "proxyInjector" "component" "proxy-injector"
  "service" "linkerd-proxy-injector" "kind" "MutatingWebhookConfiguration" "rules" `
- operations: [CREATE]
  apiGroups: [""]
  apiVersions: [v1]
  resources: [pods, services]
  scope: Namespaced`) }}
{{- end }}

{{- define "standin.destinationWebhooks" -}}
{{- include "standin.webhook" (dict "root" . "key" "profileValidator" "component" "destination"
  "service" "linkerd-sp-validator" "kind" "ValidatingWebhookConfiguration" "rules" `
- operations: [CREATE, UPDATE]
  apiGroups: [linkerd.io]
  apiVersions: [v1alpha1, v1alpha2]
  resources: [serviceprofiles]`) }}
---
{{- include "standin.webhook" (dict "root" . "key" "policyValidator" "component" "destination"
  "service" "linkerd-policy-validator" "kind" "ValidatingWebhookConfiguration" "rules" `
- operations: [CREATE, UPDATE]
  apiGroups: [policy.linkerd.io]
  apiVersions: ["*"]
  resources: [authorizationpolicies, httplocalratelimitpolicies, httproutes, networkauthentications, meshtlsauthentications, serverauthorizations, servers, egressnetworks]
- operations: [CREATE, UPDATE]
  apiGroups: [gateway.networking.k8s.io]
  apiVersions: ["*"]
  resources: [httproutes, grpcroutes, tlsroutes, tcproutes]`) }}
{{- end }}
