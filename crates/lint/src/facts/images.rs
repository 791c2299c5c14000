//! Names of images. In: an image as a container names it. Out: its repository without registry, tag and digest.

use ringfence_model::{details::Container, workload::Pod};

/// The path of an image's repository: `ingress-nginx/controller` of `registry.k8s.io/ingress-nginx/controller:v1.11`.
pub(super) fn repository(image: &str) -> &str {
    let without_digest = image.split('@').next().unwrap_or(image);
    let (head, last) = match without_digest.rsplit_once('/') {
        Some((head, last)) => (Some(head), last),
        None => (None, without_digest),
    };
    let last = last.split(':').next().unwrap_or(last);
    let end = head.map_or(0, |head| head.len() + 1) + last.len();
    let path = without_digest.get(..end).unwrap_or(without_digest);
    match path.split_once('/') {
        Some((registry, rest))
            if registry.contains('.') || registry.contains(':') || registry == "localhost" =>
        {
            rest
        }
        _ => path,
    }
}

/// The containers of a pod that keep running, as far as details were read.
pub(super) fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.details.iter().flat_map(|details| &details.containers).filter(|container| !container.init)
}

/// The last part of the name of a container's image: `coredns`.
pub(super) fn last_name(container: &Container) -> Option<&str> {
    container.image.as_deref().map(|image| {
        let path = repository(image);
        path.rsplit_once('/').map_or(path, |(_, last)| last)
    })
}

#[cfg(test)]
mod tests {
    use super::repository;

    #[test]
    fn registries_tags_and_digests_are_left_out() {
        for (image, path) in [
            ("registry.k8s.io/ingress-nginx/controller:v1.11@sha256:00", "ingress-nginx/controller"),
            ("localhost:5000/coredns", "coredns"),
            ("traefik:v3", "traefik"),
            ("bitnami/nginx-ingress-controller", "bitnami/nginx-ingress-controller"),
            ("quay.io/prometheus/prometheus", "prometheus/prometheus"),
            ("", ""),
        ] {
            assert_eq!(repository(image), path);
        }
    }
}
