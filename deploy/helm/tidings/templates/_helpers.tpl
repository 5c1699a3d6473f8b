{{- define "tidings.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "tidings.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "tidings.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tidings.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "tidings.selector" -}}
app.kubernetes.io/name: {{ include "tidings.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "tidings.labels" -}}
{{ include "tidings.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "tidings.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "tidings.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "tidings.fullname" .) -}}
{{- end }}

{{/* Where the roles find each other: headless, so that clients see every pod. */}}
{{- define "tidings.config" -}}
{{- $full := include "tidings.fullname" . -}}
{{- $logs := dict "servers" (list (printf "http://%s-log:50052" $full)) -}}
{{- $dispatchers := dict "servers" (list (printf "http://%s-dispatcher:50054" $full)) -}}
{{- $usual := dict
    "telemetry" (dict "format" "json")
    "log_client" $logs
    "dispatcher_client" $dispatchers
    "dispatcher" (dict "grace" (printf "%ds" (add .Values.longestTimeout 5))) -}}
{{- mustMergeOverwrite $usual (deepCopy .Values.config) | toToml -}}
{{- end }}

{{/* The variables that name the mounted credentials. */}}
{{- define "tidings.env" -}}
- {name: TIDINGS_CONFIG, value: /etc/tidings/tidings.toml}
- {name: TIDINGS_DATABASE__URL__FILE, value: /run/secrets/tidings/database}
- {name: TIDINGS_AMQP__URL__FILE, value: /run/secrets/tidings/amqp}
- {name: TIDINGS_INTERNAL__TOKEN__FILE, value: /run/secrets/tidings/internal}
- name: TIDINGS_SECRETS__KEYS
  value: '[{{ range $at, $key := .Values.secrets.sealing.keys }}{{ if $at }}, {{ end }}{ file = "/run/secrets/tidings/sealing/{{ $key }}" }{{ end }}]'
{{- if .Values.secrets.management.name }}
- {name: TIDINGS_AMQP__MANAGEMENT_URL__FILE, value: /run/secrets/tidings/management}
{{- end }}
{{- if .Values.secrets.smtp.name }}
- {name: TIDINGS_NOTIFIER__SMTP_URL__FILE, value: /run/secrets/tidings/smtp}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tidings.volumes" -}}
- name: config
  configMap:
    name: {{ include "tidings.fullname" . }}
- name: credentials
  projected:
    defaultMode: 0440
    sources:
{{- range $file := list "database" "amqp" "internal" "management" "smtp" }}
{{- with index $.Values.secrets $file }}
{{- if .name }}
      - secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: {{ $file }}}]}
{{- end }}
{{- end }}
{{- end }}
      - secret:
          name: {{ .Values.secrets.sealing.name }}
          items:
{{- range .Values.secrets.sealing.keys }}
            - {key: {{ . }}, path: sealing/{{ . }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tidings.volumeMounts" -}}
- {name: config, mountPath: /etc/tidings, readOnly: true}
- {name: credentials, mountPath: /run/secrets/tidings, readOnly: true}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tidings.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
