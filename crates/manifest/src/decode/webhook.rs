//! `admissionregistration.k8s.io` ValidatingWebhookConfiguration and MutatingWebhookConfiguration. In: the object's
//! mapping. Out: the references to Services.

use crate::decode::{cursor::Map, fact};

/// The Service of each webhook that is called by one.
pub(crate) fn services<'n, 'a>(root: &Map<'n, 'a>) -> Vec<Map<'n, 'a>> {
    let webhooks = root.maps("webhooks");
    webhooks.filter_map(|map| map.map("clientConfig")).filter_map(|map| fact::client_service(&map)).collect()
}
