//! Which texts look like templates that nobody has rendered.

use ringfence_manifest::template::looks_like_template;

fn found(text: &str) -> Option<&str> {
    looks_like_template(text).map(|span| text.get(span).unwrap_or("not a span of the text"))
}

#[test]
fn actions_where_yaml_has_no_use_for_them() {
    assert_eq!(found("{{- if .Values.enabled }}\na: b\n{{- end }}\n"), Some("{{- if .Values.enabled }}"));
    assert_eq!(
        found("a:\n  {{- toYaml .Values.labels | nindent 4 }}\n"),
        Some("{{- toYaml .Values.labels | nindent 4 }}")
    );
    assert_eq!(found("name: {{ .Release.Name }}-web\n"), Some("{{ .Release.Name }}"));
    assert_eq!(found("name: web-{{ .Values.suffix }}\n"), Some("{{ .Values.suffix }}"));
    assert_eq!(found("- {{ . }}\n"), Some("{{ . }}"));
    assert_eq!(found("ports: [{{ .port }}]\n"), Some("{{ .port }}"));
    assert_eq!(found("a: {{ include \"web.labels\""), Some("{{ include \"web.labels\""));
    assert_eq!(found("text: |\n  {{ $labels.pod }}\n{{ end }}\n"), Some("{{ end }}"));
}

#[test]
fn placeholders_of_other_tools() {
    for text in [
        "summary: \"{{ $labels.pod }} is down\"\n",
        "summary: '{{ $labels.pod }} is down'\n",
        "summary: pod {{ $labels.pod }} is down\n",
        "# {{ .Values.x }}\na: b # {{ .Values.x }}\n",
        "text: |\n  {{ if .Values.x }}\n  {{ end }}\nb: c\n",
        "text: >-\n\n  {{ .Values.x }}\n",
        "- |\n  {{ .Values.x }}\n",
        "a: {b: {c: d}}\n",
        "a: b\n",
        "",
    ] {
        assert_eq!(found(text), None, "{text}");
    }
}
