//! What a page may read of an answer. Which origins are served is in `vectors`, by the table of origins.

use crate::support::expect::Headers;
use crate::support::{ORIGIN, PATH, Rig};

#[tokio::test]
async fn exposed_headers_are_those_of_the_setting() {
    let headers = |exposed| {
        Headers::json()
            .with("access-control-allow-origin", ORIGIN)
            .with("access-control-expose-headers", exposed)
    };

    let rig = Rig::with(&[("EXPOSED_HEADERS", " x-ms-request-id , Retry-After")]).await;
    rig.get(PATH)
        .await
        .must_be("two", 200, &headers("retry-after,x-ms-request-id"));

    let rig = Rig::with(&[("EXPOSED_HEADERS", "")]).await;
    rig.get(PATH)
        .await
        .must_be("none", 200, &headers("").without("access-control-expose-headers"));
}
