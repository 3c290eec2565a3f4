{{/* What the pods of the Deployment and of `helm test` share. */}}

{{- define "bentorank.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ . }}
runAsGroup: {{ . }}
# Makes scratch volumes writable, and the file of keys readable, for that group.
fsGroup: {{ . }}
{{- end }}
# A volume of models is not gone through file by file at each start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "bentorank.containerSecurityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "bentorank.keysVolume" -}}
name: api-keys
secret:
  secretName: {{ .Values.apiKeys.existingSecret }}
  defaultMode: 0440
  items:
    - key: {{ .Values.apiKeys.key }}
      path: api-keys
{{- end -}}

{{/* The folder, not the file by subPath: only then does a changed Secret arrive in a running pod. */}}
{{- define "bentorank.keysMount" -}}
name: api-keys
mountPath: /etc/bentorank/keys
readOnly: true
{{- end -}}

{{- define "bentorank.keysFile" -}}/etc/bentorank/keys/api-keys{{- end -}}

{{/* From SIGTERM to the end: what config says, and 15 s in which the supervisor stops what has not ended by itself. */}}
{{- define "bentorank.graceSeconds" -}}
{{- $drain := ceil (float64 (dig "BENTORANK_DRAIN_S" 0 .Values.config)) -}}
{{- $timeout := ceil (float64 (dig "BENTORANK_REQUEST_TIMEOUT_S" 30 .Values.config)) -}}
{{- add (int $drain) (int $timeout) 15 -}}
{{- end -}}

{{- define "bentorank.model" -}}
{{- dig "BENTORANK_MODEL" "starter" .Values.config -}}
{{- end -}}

{{/* "true" where the model's name is to be looked up at Hugging Face. */}}
{{- define "bentorank.modelIsFetched" -}}
{{- range include "bentorank.sources" . | splitList "," -}}
{{- if not (or (eq . "starter") (hasPrefix "/" .)) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where models come from, between commas: folders, Hugging Face ids, starter. A file of models is a path, whatever it names. */}}
{{- define "bentorank.sources" -}}
{{- $models := dig "BENTORANK_MODELS" "" .Values.config -}}
{{- if $models -}}
{{- $sources := list -}}
{{- range splitList "," $models -}}
{{- $sources = append $sources (regexReplaceAll "^[^=]*=" (trim .) "" | trim) -}}
{{- end -}}
{{- join "," $sources -}}
{{- else -}}
{{- include "bentorank.model" . -}}
{{- end -}}
{{- end -}}

{{/* "true" where callers come from outside the cluster. */}}
{{- define "bentorank.isPublished" -}}
{{- if or .Values.ingress.enabled (ne .Values.service.type "ClusterIP") -}}true{{- end -}}
{{- end -}}

{{/* "true" where /metrics wants a key: as config says, else where strangers could read it. */}}
{{- define "bentorank.metricsNeedKey" -}}
{{- $published := and (include "bentorank.isPublished" .) (ne .Values.apiKeys.existingSecret "") -}}
{{- if dig "BENTORANK_METRICS_NEED_KEY" $published .Values.config -}}true{{- end -}}
{{- end -}}

{{- define "bentorank.minReplicas" -}}
{{- if eq .Values.autoscaling.kind "none" -}}
{{- .Values.replicaCount -}}
{{- else -}}
{{- .Values.autoscaling.minReplicas -}}
{{- end -}}
{{- end -}}

{{/* Both autoscalers: up at once, down slowly, since a queue grows in seconds and an added pod needs a while to load. */}}
{{- define "bentorank.scalingBehaviour" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - type: Percent
      value: 100
      periodSeconds: 30
    - type: Pods
      value: 2
      periodSeconds: 30
  selectPolicy: Max
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleDownSeconds }}
  policies:
    - type: Pods
      value: 1
      periodSeconds: 60
{{- end -}}
