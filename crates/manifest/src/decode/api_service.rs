//! `apiregistration.k8s.io` APIService. In: the object's mapping. Out: the reference to a Service.

use crate::decode::cursor::Map;

/// The Service that serves the API; nothing for an API of the API server's own.
pub(crate) fn service<'n, 'a>(root: &Map<'n, 'a>) -> Option<Map<'n, 'a>> {
    root.map("spec")?.map("service")
}
