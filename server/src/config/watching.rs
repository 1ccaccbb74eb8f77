//! Judges what is set about being watched: numbers and traces.

use axum::http::{HeaderName, HeaderValue, Uri};

use super::{
    ConfigError, MetricsSettings,
    fields::{MetricsSection, TelemetrySection},
};
use crate::{private_file, telemetry::TraceSettings};

pub(super) fn judge_metrics(metrics: &MetricsSection) -> Result<MetricsSettings, ConfigError> {
    if metrics.apps > 10_000 {
        return Err(ConfigError::new("metrics.apps", "must be 0 to 10000"));
    }
    Ok(MetricsSettings { listen: metrics.listen, apps: metrics.apps })
}

pub(super) fn judge_telemetry(telemetry: &TelemetrySection) -> Result<Option<TraceSettings>, ConfigError> {
    let TelemetrySection { otlp_endpoint, otlp_headers_file, service_name, sample_ratio } = telemetry;
    if !(0.0..=1.0).contains(sample_ratio) {
        return Err(ConfigError::new("telemetry.sample_ratio", "must be 0 to 1"));
    }
    if service_name.is_empty() || service_name.chars().any(char::is_control) {
        return Err(ConfigError::new("telemetry.service_name", "must be a name"));
    }
    let fault = |reason| ConfigError::new("telemetry.otlp_headers_file", reason);
    let headers = otlp_headers_file.as_deref().map(private_file::read).transpose().map_err(fault)?;
    let headers = headers.as_deref().map(|text| headers_in(text).map_err(|reason| fault(reason.to_owned())));
    let headers = headers.transpose()?.unwrap_or_default();
    let Some(endpoint) = otlp_endpoint else {
        return match otlp_headers_file {
            None => Ok(None),
            Some(_) => Err(ConfigError::new("telemetry.otlp_endpoint", "is needed with telemetry.otlp_headers_file")),
        };
    };
    let uri = endpoint.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    if uri.as_ref().and_then(Uri::authority).is_none_or(|authority| authority.as_str().contains('@')) {
        let reason = "must be a URL such as https://collector.example.com/v1/traces, without a password";
        return Err(ConfigError::new("telemetry.otlp_endpoint", reason));
    }
    Ok(Some(TraceSettings {
        endpoint: endpoint.clone(),
        headers,
        service_name: service_name.clone(),
        sample_ratio: *sample_ratio,
    }))
}

/// Reads `name: value`, one a line. Never repeats what it reads: values are secret.
fn headers_in(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, &'static str> {
    let header = |line: &str| {
        let (name, value) = line.split_once(':').ok_or("must have lines such as `authorization: Bearer …`")?;
        let name = name.trim().parse::<HeaderName>().map_err(|_| "has a header name that is none")?;
        let mut value = value.trim().parse::<HeaderValue>().map_err(|_| "has a header value that cannot be sent")?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_never_shown() {
        let headers = headers_in("authorization: Bearer canary:1\n\n X-Tenant:  a \n").unwrap();
        let texts: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(texts, [("authorization", "Bearer canary:1"), ("x-tenant", "a")]);
        assert!(!format!("{headers:?}").contains("canary"));
        for bad in ["canary", "a b: canary", "a: can\u{1}ary"] {
            assert!(!headers_in(bad).unwrap_err().contains("canary"), "{bad}");
        }
    }
}
