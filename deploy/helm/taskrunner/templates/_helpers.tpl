{{/* The name of the release's objects: `taskrunner`, or `RELEASE-taskrunner`. */}}
{{- define "taskrunner.name" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{/* What selects the pods of a part: (list . "api"). */}}
{{- define "taskrunner.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "taskrunner.labels" -}}
{{- $root := index . 0 -}}
{{ include "taskrunner.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "taskrunner.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Each setting with a key in the Secret is read from a file: TASKRUNNER_RABBIT__ADDR_FILE. */}}
{{- define "taskrunner.env" -}}
- {name: TASKRUNNER_CONFIG, value: /etc/taskrunner/config.yaml}
{{- range $setting, $key := .Values.secret.keys }}
{{- if $key }}
- name: TASKRUNNER_{{ $setting | upper | replace "." "__" }}_FILE
  value: /run/secrets/taskrunner/{{ $key }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Fails for a setting below `config` that a value or the Secret sets: the environment of the pods overrides the file. */}}
{{- define "taskrunner.check" -}}
{{- $setBy := dict "Api.addr" "the chart itself" "Api.port" "the chart itself" "Api.hosts" "api.hosts" "Api.shutdown_grace" "api.shutdownGrace" -}}
{{- $setBy = merge $setBy (dict "Grpc.addr" "the chart itself" "Grpc.port" "the chart itself" "Grpc.enabled" "api.grpc") -}}
{{- $setBy = merge $setBy (dict "Server.addr" "the chart itself" "Server.port" "the chart itself") -}}
{{- $setBy = merge $setBy (dict "Workers.min_workers" "consumer.minWorkers" "Workers.max_workers" "consumer.maxWorkers") -}}
{{- $setBy = merge $setBy (dict "Workers.shutdown_grace" "consumer.shutdownGrace" "Workers.queues" "consumer.queues") -}}
{{- range $setting, $key := .Values.secret.keys }}
{{- if $key }}{{ $_ := set $setBy $setting (printf "the key %s of the Secret (secret.keys)" $key) }}{{ end }}
{{- end }}
{{- range $setting, $value := $setBy }}
{{- $section := index $.Values.config (splitList "." $setting | first) }}
{{- if and (kindIs "map" $section) (hasKey $section (splitList "." $setting | last)) }}
{{- fail (printf "config.%s would be overridden: it is set by %s" $setting $value) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The pod of a process, but for its containers. Service links would set TASKRUNNER_… variables that are no settings. */}}
{{- define "taskrunner.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- merge (deepCopy .Values.podSecurityContext) (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) | toYaml | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Nothing is written but /tmp; the user may be any that the cluster picks. */}}
{{- define "taskrunner.container" -}}
image: {{ include "taskrunner.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: config, mountPath: /etc/taskrunner, readOnly: true}
  - {name: secret, mountPath: /run/secrets/taskrunner, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "taskrunner.volumes" -}}
- name: config
  configMap: {name: {{ index . 1 }}}
- name: secret
  secret: {secretName: {{ (index . 0).Values.secret.name }}, defaultMode: 0444}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end -}}

{{/* /livez: the event loop runs. /readyz: work may be sent here. A start may wait for servers that are away. */}}
{{- define "taskrunner.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: {{ . }}}
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /livez, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{- define "taskrunner.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "taskrunner.selector" . | nindent 8 }}
{{- end -}}
