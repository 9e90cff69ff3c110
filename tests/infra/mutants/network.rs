//! Ways to break the rules of `rules/network.rs`.

use super::Mutant;
use crate::project::{MAIN, NETWORK, RESOURCES};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant(
        "no network unasked",
        RESOURCES,
        "module network 'modules/network.bicep' = if (vnetEnabled) {",
        "module network 'modules/network.bicep' = {",
    ),
    Mutant(
        "private endpoint",
        NETWORK,
        "            'vault'\n",
        "            'vaults'\n",
    ),
    Mutant(
        "private endpoint",
        NETWORK,
        "${network.id}/subnets/endpoint'",
        "${network.id}/subnets/app'",
    ),
    Mutant(
        "private endpoint",
        RESOURCES,
        "vaultId: resourceId(vaultResourceGroup, ",
        "vaultId: resourceId(",
    ),
    Mutant("private name", NETWORK, "'vault.', 'vaultcore.'", "'vault.', 'vault.'"),
    Mutant(
        "private name",
        NETWORK,
        "registrationEnabled: false",
        "registrationEnabled: true",
    ),
    Mutant(
        "private name",
        NETWORK,
        "privateDnsZoneId: zone.id",
        "privateDnsZoneId: network.id",
    ),
    Mutant(
        "subnets",
        NETWORK,
        "serviceName: appSubnetDelegation",
        "serviceName: 'Microsoft.App/environments'",
    ),
    Mutant(
        "subnets",
        MAIN,
        "param endpointSubnetPrefix string = '10.0.0.32/28'",
        "param endpointSubnetPrefix string = '10.0.0.16/28'",
    ),
    Mutant(
        "subnets",
        NETWORK,
        "defaultOutboundAccess: true",
        "defaultOutboundAccess: false",
    ),
];
