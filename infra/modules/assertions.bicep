// What a parameter's own type cannot say. A condition that is not met fails the deployment, with its name in the
// message: "The provided value for the template parameter 'allowedOriginsAreExact…' is not valid".

@description('On the flex plan the platform answers preflights and knows no patterns: list exact origins in allowedOrigins, or set hostingPlan to premium.')
@allowed([
  true
])
param allowedOriginsAreExactOrThePlanIsPremium bool = true

@description('No role can be given on a pattern: list exact names in allowedSecrets, or set rbacScope to vault.')
@allowed([
  true
])
param allowedSecretsAreExactOrRbacScopeIsVault bool = true

@description('Set keyVaultAccessModel to the model of the existing vault: in the other one what is granted does nothing, and the app would answer 502.')
@allowed([
  true
])
param keyVaultAccessModelIsTheExistingVaults bool = true

@description('Access policies are for the whole vault, so rbacScope means nothing with them: set keyVaultAccessModel to rbac, or leave rbacScope alone.')
@allowed([
  true
])
param rbacScopeIsVaultOrTheModelIsRbac bool = true

@description('Without vnetEnabled the vault is open to every address: set vnetEnabled, or leave vaultAllowedIpRanges empty.')
@allowed([
  true
])
param vaultAllowedIpRangesAreEmptyOrVnetIsEnabled bool = true
