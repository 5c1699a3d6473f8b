{{/* One role: a Deployment, and what keeps some of it running. Called with root, role and ports. */}}
{{- define "tidings.role" -}}
{{- $values := index .root.Values.roles .role -}}
{{- $keda := and $values.keda $values.keda.enabled -}}
{{- $full := include "tidings.fullname" .root -}}
{{- $grace := ternary (add .root.Values.longestTimeout 5 .root.Values.drain 15) (add .root.Values.drain 25) (eq .role "dispatcher") -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $full }}-{{ .role }}
  labels:
    {{- include "tidings.labels" . | nindent 4 }}
spec:
  {{- if not (or $values.autoscaling.enabled $keda) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels:
      {{- include "tidings.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "tidings.labels" . | nindent 8 }}
      annotations:
        tidings/config: {{ include "tidings.config" .root | sha256sum }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "tidings.serviceAccount" .root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $grace }}
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml .root.Values.podSecurityContext | nindent 8 }}
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "tidings.selector" $ | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .role }}
          image: {{ include "tidings.image" .root }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: [{{ .role }}]
          env:
            {{- include "tidings.env" .root | nindent 12 }}
          ports:
            {{- range .ports }}
            - {name: {{ .name }}, containerPort: {{ .port }}}
            {{- end }}
            - {name: monitor, containerPort: 9464}
          startupProbe:
            httpGet: {path: /healthz, port: monitor}
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: monitor}
            periodSeconds: 10
            timeoutSeconds: 3
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: monitor}
            periodSeconds: 3
            timeoutSeconds: 2
            failureThreshold: 2
          lifecycle:
            preStop:
              sleep: {seconds: {{ .root.Values.drain }}}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            {{- include "tidings.containerSecurity" .root | nindent 12 }}
          volumeMounts:
            {{- include "tidings.volumeMounts" .root | nindent 12 }}
      volumes:
        {{- include "tidings.volumes" .root | nindent 8 }}
{{- if and .root.Values.podDisruptionBudget.enabled (or $values.autoscaling.enabled $keda (gt (int $values.replicas) 1)) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $full }}-{{ .role }}
  labels:
    {{- include "tidings.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "tidings.selector" . | nindent 6 }}
{{- end }}
{{- if $values.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $full }}-{{ .role }}
  labels:
    {{- include "tidings.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $full }}-{{ .role }}}
  minReplicas: {{ $values.autoscaling.minReplicas }}
  maxReplicas: {{ $values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ $values.autoscaling.cpu }}}}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 600}
{{- end }}
{{- if $keda }}
---
{{ include "tidings.scaledObject" . }}
{{- end }}
{{- end }}

{{/* KEDA for dispatchers. What is held or waits in a delay queue is no work yet, so only the lanes count.
While Prometheus does not answer, the number of pods stays. */}}
{{- define "tidings.scaledObject" -}}
{{- $values := (index .root.Values.roles .role).keda -}}
{{- $full := include "tidings.fullname" .root -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $full }}-{{ .role }}
  labels:
    {{- include "tidings.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {name: {{ $full }}-{{ .role }}}
  minReplicaCount: {{ $values.minReplicas }}
  maxReplicaCount: {{ $values.maxReplicas }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown: {stabilizationWindowSeconds: 600}
  triggers:
    {{- $length := printf `sum(max by (queue) (tidings_queue_depth{namespace="%s", stage="lane", lane=~"live|retry"})) or vector(0)` .root.Release.Namespace }}
    {{- /* Without first attempts there is no quantile, and nothing to scale for. Times the pods: KEDA divides by the threshold. */}}
    {{- $age := printf `histogram_quantile(0.9, sum by (le) (rate(tidings_first_attempt_lag_seconds_bucket{namespace="%s", lane="live"}[2m]))) * scalar(count(up{namespace="%s", role="dispatcher"} == 1)) > 0 or vector(0)` .root.Release.Namespace .root.Release.Namespace }}
    {{- range list (dict "query" $length "threshold" $values.waiting) (dict "query" $age "threshold" $values.waitingSeconds) }}
    - type: prometheus
      metadata:
        serverAddress: {{ $values.prometheus }}
        query: {{ .query | quote }}
        threshold: {{ .threshold | quote }}
        ignoreNullValues: "true"
      {{- with $values.authentication }}
      authenticationRef: {name: {{ . }}}
      {{- end }}
    {{- end }}
{{- end }}
