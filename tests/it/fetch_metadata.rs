//! The gate on `Sec-Fetch-*`: a secret is for scripts that use CORS, never for a page, an image or a script element.

use crate::support::client::Request;
use crate::support::expect::Headers;
use crate::support::{ORIGIN, PATH, Rig};

#[tokio::test]
async fn what_is_no_cors_request_of_a_script_is_403_and_touches_nothing() {
    let rig = Rig::start().await;

    for lines in [
        &[("sec-fetch-mode", "navigate")][..],
        &[("sec-fetch-mode", "no-cors")],
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")],
        &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "empty")],
        &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "document")],
        &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "image")],
        &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "script")],
        &[("sec-fetch-dest", "iframe")],
        &[("sec-fetch-dest", "style")],
        &[("sec-fetch-dest", "object")],
        &[("sec-fetch-dest", "worker")],
        &[("sec-fetch-dest", "a-destination-of-the-future")],
    ] {
        let label = format!("{lines:?}");
        let headers = Headers::json().readable_by(ORIGIN);
        let answer = rig.send(Request::get(PATH).origin(ORIGIN).headers(lines)).await;
        answer.must_refuse(&label, 403, ("Forbidden", Some("FetchMetadata")), &headers);
        let answer = rig.send(Request::head(PATH).origin(ORIGIN).headers(lines)).await;
        answer.must_be(&label, 403, &headers);
    }
    rig.assert_untouched("fetch metadata");
}

#[tokio::test]
async fn a_fetch_of_a_script_passes() {
    let rig = Rig::start().await;

    for lines in [
        &[
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-site", "cross-site"),
        ][..],
        &[
            ("sec-fetch-mode", "same-origin"),
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-site", "same-origin"),
        ],
        &[("sec-fetch-mode", "cors")],
        &[("sec-fetch-dest", "empty")],
        &[("sec-fetch-site", "cross-site")],
    ] {
        let answer = rig.send(Request::get(PATH).origin(ORIGIN).headers(lines)).await;
        answer.must_be(&format!("{lines:?}"), 200, &Headers::json().readable_by(ORIGIN));
    }
}

#[tokio::test]
async fn without_an_origin_the_gate_still_stands() {
    let rig = Rig::with(&[("REQUIRE_ORIGIN", "false")]).await;

    // What a link, an image and a script element send from another site: no `Origin` at all.
    for (mode, destination) in [("navigate", "document"), ("no-cors", "image"), ("no-cors", "script")] {
        let request = Request::get(PATH).headers(&[("sec-fetch-mode", mode), ("sec-fetch-dest", destination)]);
        let answer = rig.send(request).await;
        answer.must_refuse(mode, 403, ("Forbidden", Some("FetchMetadata")), &Headers::json());
    }
    rig.assert_untouched("no origin");
}

#[tokio::test]
async fn a_preflight_and_what_is_no_route_are_not_judged_by_it() {
    let rig = Rig::start().await;
    let lines = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

    let answer = rig.send(Request::preflight(PATH, ORIGIN, "GET").headers(&lines)).await;
    answer.must_be("preflight", 204, &Headers::granting(ORIGIN));
    let answer = rig.send(Request::options(PATH).origin(ORIGIN).headers(&lines)).await;
    assert_eq!(answer.status, 204);
    let answer = rig
        .send(Request::get("/api/nothing").origin(ORIGIN).headers(&lines))
        .await;
    answer.must_refuse(
        "no route",
        404,
        ("NotFound", None),
        &Headers::json().readable_by(ORIGIN),
    );
}
