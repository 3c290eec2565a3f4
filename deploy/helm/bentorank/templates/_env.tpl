{{/* Variables beside the ConfigMap: secrets by reference, and what follows from the container. These win over the ConfigMap. */}}

{{- define "bentorank.env" -}}
- name: BENTOML_PORT
  value: "3000"
{{- if and .Values.gpu.enabled (not (hasKey .Values.config "BENTORANK_DEVICE")) }}
# Without it a pod that sees no GPU would serve on its CPU, slowly and without a word.
- name: BENTORANK_DEVICE
  value: cuda
{{- end }}
{{- if not (include "bentorank.modelIsFetched" .) }}
# The model is here: nothing is to be asked of Hugging Face.
- name: HF_HUB_OFFLINE
  value: "1"
{{- end }}
{{- if include "bentorank.metricsNeedKey" . }}
- name: BENTORANK_METRICS_NEED_KEY
  value: "true"
{{- end }}
{{- if .Values.apiKeys.existingSecret }}
- name: BENTORANK_API_KEYS_FILE
  value: {{ include "bentorank.keysFile" . }}
{{- end }}
{{- with .Values.redis }}
{{- if .existingSecret }}
- name: BENTORANK_CACHE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .key }}
{{- end }}
{{- end }}
{{- if .Values.tracing.endpoint }}
{{- include "bentorank.tracingEnv" . | nindent 0 }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "bentorank.tracingEnv" -}}
- name: BENTORANK_TRACING
  value: "true"
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .Values.tracing.endpoint | quote }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .Values.tracing.share | toJson | quote }}
- name: OTEL_SERVICE_NAME
  value: {{ include "bentorank.fullname" . }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name={{ .Release.Namespace }},k8s.pod.name=$(POD_NAME)
{{- if .Values.tracing.headersSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .Values.tracing.headersSecret }}
      key: {{ .Values.tracing.headersKey }}
{{- end }}
{{- end -}}
