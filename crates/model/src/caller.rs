//! Services that the API server itself calls: admission and conversion webhooks, and aggregated APIs. In: decoded
//! objects. Out: plain values.

use crate::{Text, origin::Origin};

/// The port that the API server calls where the object names none.
pub const DEFAULT_CALLER_PORT: u16 = 443;

/// Why the API server calls a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerKind {
    /// `admissionregistration.k8s.io` ValidatingWebhookConfiguration.
    ValidatingWebhook,
    /// `admissionregistration.k8s.io` MutatingWebhookConfiguration.
    MutatingWebhook,
    /// `apiextensions.k8s.io` CustomResourceDefinition, `spec.conversion.webhook`.
    ConversionWebhook,
    /// `apiregistration.k8s.io` APIService.
    ApiService,
}

impl CallerKind {
    /// The name in the API of the kind of object that says so.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValidatingWebhook => "ValidatingWebhookConfiguration",
            Self::MutatingWebhook => "MutatingWebhookConfiguration",
            Self::ConversionWebhook => "CustomResourceDefinition",
            Self::ApiService => "APIService",
        }
    }
}

/// A Service that the API server calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCaller {
    /// Why.
    pub kind: CallerKind,
    /// The name of the object that says so. An admission configuration is there once for each of its webhooks.
    pub name: Text,
    /// The Service's namespace.
    pub namespace: Text,
    /// The Service's name.
    pub service: Text,
    /// The Service's port.
    pub port: u16,
    /// Where the reference to the Service is written.
    pub origin: Origin,
}
