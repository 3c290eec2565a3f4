{{/* Where pods land. */}}

{{- define "bentorank.placement" -}}
topologySpreadConstraints:
{{- if .Values.topologySpreadConstraints }}
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  {{- /* As far as there is room: a pod in a crowded zone serves, one that waits for a better place does not. */}}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    # Pods of a rollout are spread among themselves.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "bentorank.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $gpuNodes := .Values.gpu.enabled | ternary .Values.gpu.nodeSelector dict }}
{{- with merge dict .Values.nodeSelector $gpuNodes }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $gpuTolerations := .Values.gpu.enabled | ternary .Values.gpu.tolerations list }}
{{- with concat .Values.tolerations $gpuTolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
