{{/* A CronJob's name may have 52 characters, and that of a Job 63: NAME-join and NAME-node-999-undo. */}}
{{- define "cri-shunt.name" -}}
{{- $name := contains "cri-shunt" .Release.Name | ternary .Release.Name (printf "%s-cri-shunt" .Release.Name) }}
{{- if gt (len $name) 47 }}
{{- fail (printf "%s is longer than 47 characters, and the API takes no names made of it: give the release a shorter name" $name) }}
{{- end }}
{{- $name }}
{{- end }}

{{- define "cri-shunt.selector" -}}
app.kubernetes.io/name: cri-shunt
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cri-shunt.labels" -}}
{{ include "cri-shunt.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "cri-shunt.image" -}}
{{- with .Values.image -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{- define "cri-shunt.containerdSocket" -}}
{{- if .Values.containerdSocket }}{{ .Values.containerdSocket }}
{{- else if or (eq .Values.for "k3s") (eq .Values.for "rke2") }}/run/k3s/containerd/containerd.sock
{{- else }}/run/containerd/containerd.sock
{{- end }}
{{- end }}

{{/* The files that go to each node, as a tree: see `cri-shunt sync --help`. A Secret that is not there leaves no file. */}}
{{- define "cri-shunt.policyVolume" -}}
{{- $sources := keys .Values.sources }}
{{- with .Values.existingPolicy }}
{{- if and .name (or $.Values.policy $sources) }}
{{- fail (printf "existingPolicy.name is %s, so policy and sources would have no effect. For the ConfigMap leave them empty; for them leave existingPolicy.name empty" .name) }}
{{- end }}
{{- if and .keys (not .name) }}
{{- fail "existingPolicy.keys has no effect without existingPolicy.name, the ConfigMap that has these keys: set it" }}
{{- end }}
{{- $sources = concat $sources .keys }}
{{- end }}
{{- range .Values.secrets }}
{{- if has .name $sources }}
{{- fail (printf "a source and a Secret are both called %s, and conf.d/cluster/%s would be both of them: rename one" .name .name) }}
{{- end }}
{{- end -}}
name: policy
projected:
  defaultMode: 0400
  sources:
    - configMap:
        name: {{ include "cri-shunt.name" . }}-config
        items:
          - {key: config.toml, path: config.toml}
          {{- if .Values.mode }}
          - {key: mode.toml, path: conf.d/cluster-mode.toml}
          {{- end }}
          {{- if not .Values.existingPolicy.name }}
          - {key: policy.toml, path: conf.d/cluster.toml}
          {{- range $name, $text := .Values.sources }}
          - {key: {{ $name | quote }}, path: {{ printf "conf.d/cluster/%s" $name | quote }}}
          {{- end }}
          {{- end }}
    {{- with .Values.existingPolicy }}
    {{- if .name }}
    - configMap:
        name: {{ .name }}
        items:
          - {key: policy.toml, path: conf.d/cluster.toml}
          {{- range .keys }}
          - {key: {{ . | quote }}, path: {{ printf "conf.d/cluster/%s" . | quote }}}
          {{- end }}
    {{- end }}
    {{- end }}
    {{- range $secret := .Values.secrets }}
    - secret:
        name: {{ $secret.name }}
        optional: true
        items:
          {{- range $secret.keys }}
          - {key: {{ . | quote }}, path: {{ printf "conf.d/cluster/%s/%s" $secret.name . | quote }}}
          {{- end }}
    {{- end }}
{{- end }}

{{/* What all pods on nodes have. */}}
{{- define "cri-shunt.pod" -}}
automountServiceAccountToken: false
serviceAccountName: {{ include "cri-shunt.name" . }}-node
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The rights of a container that writes files of root, and nothing else. */}}
{{- define "cri-shunt.writes" -}}
securityContext:
  runAsUser: 0
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
  {{- with .Values.seLinuxType }}
  seLinuxOptions:
    type: {{ . }}
  {{- end }}
{{- end }}

{{/* The rights of one that sets up the node: root of it. */}}
{{- define "cri-shunt.root" -}}
securityContext:
  runAsUser: 0
  privileged: true
  readOnlyRootFilesystem: true
{{- end }}

{{- define "cri-shunt.container" -}}
image: {{ include "cri-shunt.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
{{- end }}

{{/* A Job for one node: the rollout adds its name and its node. */}}
{{- define "cri-shunt.nodeJob" -}}
{{- $root := .root }}
apiVersion: batch/v1
kind: Job
metadata:
  labels:
    {{- include "cri-shunt.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .stage }}
spec:
  {{- /* A way back is tried again: an installer that was cut may still hold its lock. */}}
  backoffLimit: {{ if eq .stage "install" }}0{{ else }}3{{ end }}
  activeDeadlineSeconds: {{ $root.Values.nodes.seconds }}
  template:
    metadata:
      labels:
        {{- include "cri-shunt.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .stage }}
    spec:
      restartPolicy: Never
      # It has to run before there is a network of pods.
      hostNetwork: true
      # The processes of the node, and its network, are looked at with its files.
      hostPID: true
      {{- include "cri-shunt.pod" $root | nindent 6 }}
      {{- if eq .stage "install" }}
      initContainers:
        - name: policy
          {{- include "cri-shunt.container" $root | nindent 10 }}
          args: [sync, --once, --from, /policy, --to, /host/etc/cri-shunt, --needs, {{ include "cri-shunt.image" $root | quote }}]
          {{- include "cri-shunt.writes" $root | nindent 10 }}
          volumeMounts:
            - {name: policy, mountPath: /policy, readOnly: true}
            - {name: host, mountPath: /host}
      containers:
        - name: install
          {{- include "cri-shunt.container" $root | nindent 10 }}
          args:
            - install
            - --for
            - {{ $root.Values.for }}
            - --root
            - /host
            - --chroot
            - --apply
            {{- with $root.Values.proveWith }}
            - --prove-with
            - {{ . | quote }}
            {{- end }}
          {{- include "cri-shunt.root" $root | nindent 10 }}
          volumeMounts:
            - {name: host, mountPath: /host, mountPropagation: HostToContainer}
      {{- else }}
      initContainers:
        - name: uninstall
          {{- include "cri-shunt.container" $root | nindent 10 }}
          args: [uninstall, --root, /host, --chroot, --apply]
          {{- include "cri-shunt.root" $root | nindent 10 }}
          volumeMounts:
            - {name: host, mountPath: /host, mountPropagation: HostToContainer}
      containers:
        - name: policy
          {{- include "cri-shunt.container" $root | nindent 10 }}
          args: [sync, --remove, --to, /host/etc/cri-shunt]
          {{- include "cri-shunt.writes" $root | nindent 10 }}
          volumeMounts:
            - {name: host, mountPath: /host}
      {{- end }}
      volumes:
        - name: host
          hostPath: {path: /, type: Directory}
        {{- if eq .stage "install" }}
        - {{- include "cri-shunt.policyVolume" $root | nindent 10 }}
        {{- end }}
{{- end }}

{{/* The pod of a rollout: a client of the API and nothing else. */}}
{{- define "cri-shunt.rolloutPod" -}}
{{- $root := .root }}
{{- $name := include "cri-shunt.name" $root }}
metadata:
  labels:
    {{- include "cri-shunt.labels" $root | nindent 4 }}
    app.kubernetes.io/component: rollout
spec:
  restartPolicy: Never
  serviceAccountName: {{ $name }}-rollout
  {{- with $root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: rollout
      {{- include "cri-shunt.container" $root | nindent 6 }}
      args:
        - rollout
        - --name
        - {{ $name }}
        - --job
        - /jobs/{{ if eq .stage "uninstall" }}uninstall{{ else }}install{{ end }}.json
        {{- if eq .stage "uninstall" }}
        - --remove
        {{- else }}
        - --undo
        - /jobs/uninstall.json
        - --selector
        - {{ $root.Values.nodes.selector | quote }}
        {{- with $root.Values.joining.taint }}
        - --taint
        - {{ . }}
        {{- end }}
        {{- if eq .stage "join" }}
        - --new
        {{- if $root.Values.hooks }}
        - --yield-to
        - {{ $name }}-install
        {{- end }}
        {{- end }}
        {{- end }}
        {{- if $root.Values.joining.enabled }}
        - --cron-job
        - {{ $name }}-join
        {{- end }}
        - --share
        - {{ $root.Values.nodes.share | quote }}
        - --failures
        - {{ $root.Values.nodes.failures | quote }}
        - --ready-within
        - {{ printf "%vs" $root.Values.nodes.readySeconds }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
        seccompProfile:
          type: RuntimeDefault
      {{- with $root.Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - {name: jobs, mountPath: /jobs, readOnly: true}
  volumes:
    - name: jobs
      configMap:
        name: {{ $name }}-jobs
{{- end }}
