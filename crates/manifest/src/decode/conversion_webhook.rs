//! `apiextensions.k8s.io` CustomResourceDefinition, of which only the conversion webhook matters. In: the object's
//! mapping. Out: the reference to a Service.

use crate::decode::{cursor::Map, fact};

/// The Service that converts between versions. (`v1beta1` has `webhookClientConfig` where `v1` has
/// `webhook.clientConfig`.)
pub(crate) fn service<'n, 'a>(root: &Map<'n, 'a>) -> Option<Map<'n, 'a>> {
    let conversion = root.map("spec")?.map("conversion")?;
    if conversion.str("strategy") != Some("Webhook") {
        return None;
    }
    let config = conversion.map("webhook").and_then(|webhook| webhook.map("clientConfig"));
    fact::client_service(&config.or_else(|| conversion.map("webhookClientConfig"))?)
}
