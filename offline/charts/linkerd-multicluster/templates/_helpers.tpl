{{- define "standin.labels" -}}
linkerd.io/extension: multicluster
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "standin.createdBy" -}}
linkerd.io/created-by: linkerd/helm {{ .Values.linkerdVersion }}
{{- end }}

{{- define "standin.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "standin.labels" .root | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* One Server for the admin or proxy port of some pods, and who may use it. */ -}}
{{- define "standin.policy" -}}
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "standin.labels" .root | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- toYaml .pods | nindent 6 }}
  port: {{ .port }}
  {{- with .protocol }}
  proxyProtocol: {{ . }}
  {{- end }}
---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "standin.labels" .root | nindent 4 }}
spec:
  targetRef: { group: policy.linkerd.io, kind: Server, name: {{ .name }} }
  requiredAuthenticationRefs: {{- toYaml .clients | nindent 4 }}
{{- end }}
