//! Ways to break the rules of `rules/app.rs`.

use super::Mutant;
use crate::project::{FLEX, PREMIUM, RESOURCES};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant(
        "one app a plan",
        RESOURCES,
        "module flexApp 'modules/app-flex.bicep' = if (hostingPlan == 'flex') {",
        "module flexApp 'modules/app-flex.bicep' = {",
    ),
    Mutant("identity", FLEX, "'${identity.id}': {}", "'${insights.id}': {}"),
    Mutant(
        "identity",
        PREMIUM,
        "    type: 'UserAssigned'",
        "    type: 'SystemAssigned'",
    ),
    Mutant(
        "identity",
        RESOURCES,
        "AZURE_CLIENT_ID: identity.properties.clientId",
        "AZURE_CLIENT_ID: identity.properties.principalId",
    ),
    Mutant("https", FLEX, "httpsOnly: true", "httpsOnly: false"),
    Mutant(
        "https",
        PREMIUM,
        "      minTlsVersion: '1.2'",
        "      minTlsVersion: '1.0'",
    ),
    Mutant("no passwords", FLEX, "allow: false", "allow: true"),
    Mutant("no passwords", PREMIUM, "  name: 'ftp'", "  name: 'scm'"),
    Mutant(
        "app settings",
        FLEX,
        "      cors: {",
        "      appSettings: []\n      cors: {",
    ),
    Mutant(
        "app settings",
        PREMIUM,
        "  name: 'appsettings'",
        "  name: 'connectionstrings'",
    ),
    Mutant(
        "storage by identity",
        FLEX,
        "    AzureWebJobsStorage__clientId: identity.properties.clientId\n",
        "",
    ),
    Mutant(
        "storage by identity",
        PREMIUM,
        "    AzureWebJobsStorage__credential: 'managedidentity'\n",
        "    AzureWebJobsStorage: storageAccountName\n",
    ),
    Mutant("logs by identity", FLEX, ";Authorization=AAD'", "'"),
    Mutant(
        "logs by identity",
        PREMIUM,
        "insights.properties.ConnectionString",
        "''",
    ),
    Mutant(
        "no diagnostics on the app",
        FLEX,
        "output hostName",
        "resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {\n  scope: site\n  name: 'logs'\n}\n\noutput hostName",
    ),
    Mutant("premium plan", PREMIUM, "alwaysOn: true", "alwaysOn: false"),
    Mutant("premium plan", PREMIUM, "    reserved: true", "    reserved: false"),
    Mutant("premium plan", PREMIUM, "    FUNCTIONS_WORKER_RUNTIME: 'custom'\n", ""),
    Mutant(
        "no cors on premium",
        PREMIUM,
        "      alwaysOn: true",
        "      cors: {}\n      alwaysOn: true",
    ),
    Mutant("in the network", PREMIUM, "empty(subnetId) ? null : subnetId", "null"),
    Mutant(
        "in the network",
        RESOURCES,
        "    allowCredentials: allowCredentials\n    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''",
        "    allowCredentials: allowCredentials\n    subnetId: ''",
    ),
];
