//! Alerts: none unless there is somebody to tell, and then all of them, to that address. Their queries are run over real
//! log lines in tests/it/alerts.rs.

use serde_json::json;

use super::Findings;
use crate::snapshot::Snapshot;

const KINDS: [&str; 4] = [
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/scheduledQueryRules",
    "Microsoft.Insights/activityLogAlerts",
    "Microsoft.Consumption/budgets",
];

pub(super) fn alerts(it: &Snapshot, found: &mut Findings<'_>) {
    let counts: Vec<usize> = KINDS.into_iter().map(|kind| it.all_of(kind).count()).collect();
    let Some(email) = it.given.get("alertEmail") else {
        found.equal("alerts", &json!(counts), &json!([0, 0, 0, 0]));
        return;
    };
    let budget = it.given.get("monthlyBudget");
    let expected = json!([1, 3, 1, usize::from(budget.is_some())]);
    found.equal("alerts", &json!(counts), &expected);
    let group = it.one("Microsoft.Insights/actionGroups");
    let receivers = &group["properties"]["emailReceivers"];
    found.equal("who is told", &receivers[0]["emailAddress"], &json!(email));
    for rule in it.all_of("Microsoft.Insights/scheduledQueryRules") {
        let properties = &rule["properties"];
        found.equal(
            "whom an alert tells",
            &properties["actions"]["actionGroups"][0],
            &group["id"],
        );
        let insights = &it.one("Microsoft.Insights/components")["id"];
        found.equal("what an alert asks", &properties["scopes"], &json!([insights]));
        found.equal("whether an alert is on", &properties["enabled"], &json!(true));
        let query = properties["criteria"]["allOf"][0]["query"].as_str().unwrap_or_default();
        // `has` ignores case, and a caller chooses the names that it would find.
        let by_case = query.contains("has_cs \"") && !query.contains(" has \"");
        found.holds(&format!("a query ignores case: {query}"), by_case);
    }
    let changed = &it.one("Microsoft.Insights/activityLogAlerts")["properties"];
    found.equal("the vault that is watched", &changed["scopes"], &json!([it.vault_id()]));
    let told = &changed["actions"]["actionGroups"][0]["actionGroupId"];
    found.equal("whom a change of the vault tells", told, &group["id"]);
    if let Some(budget) = budget {
        let properties = &it.one("Microsoft.Consumption/budgets")["properties"];
        let amount: u32 = budget.parse().expect("a number");
        found.equal("budget", &properties["amount"], &json!(amount));
        let start = it.given.get("budgetStart");
        found.equal(
            "start of the budget",
            &properties["timePeriod"]["startDate"],
            &json!(start),
        );
    }
}
