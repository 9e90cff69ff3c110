// Everything, in one resource group. Use it alone (`az deployment group create`), or through main.bicep, which makes
// the resource group first.
//
// In order: an identity; what it may log to and store in; the vault and what the identity may read there; the network,
// where there is one; the app. Nothing that comes earlier knows what comes later, so there is no cycle.

targetScope = 'resourceGroup'

// ---- What is deployed -----------------------------------------------------------------------------------------------

@description('A name for this deployment; resources are tagged with it, and azd finds them by it.')
param environmentName string = resourceGroup().name

param location string = resourceGroup().location

@description('Name of the function app, the first label of its URL; empty: one is made up.')
@maxLength(60)
param functionAppName string = ''

@description('flex: scales to zero, and the platform answers preflights, so exact origins only. premium: always on, and the Preflight function answers, so patterns work.')
@allowed([
  'flex'
  'premium'
])
param hostingPlan string = 'flex'

@description('flex: memory of an instance.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('flex: most instances.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('flex: requests at once that one instance serves before another is started.')
@minValue(1)
@maxValue(1000)
param perInstanceConcurrency int = 100

@description('flex: instances that are kept warm, and paid for while idle.')
@minValue(0)
@maxValue(1000)
param alwaysReadyInstanceCount int = 0

@description('premium: size of an instance.')
@allowed([
  'P0v3'
  'P1v3'
  'P2v3'
])
param premiumSku string = 'P0v3'

@description('premium: number of instances.')
@minValue(1)
@maxValue(30)
param premiumInstanceCount int = 1

@description('Days that log lines are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes a day after which no more log lines are taken; -1 for no limit.')
param logDailyQuotaGb int = 5

// ---- The vault ------------------------------------------------------------------------------------------------------

@description('Name of a vault that is there already; empty: a new one is made.')
param existingKeyVaultName string = ''

@description('Resource group of the vault that is there already; empty: this one.')
param existingKeyVaultResourceGroup string = ''

@description('How the app may read the vault. accessPolicy: `get` on all secrets. rbac: Key Vault Secrets User. An existing vault has to be of that model.')
@allowed([
  'accessPolicy'
  'rbac'
])
param keyVaultAccessModel string = 'accessPolicy'

@description('rbac: vault gives the role on the whole vault; secrets on the secrets of allowedSecrets alone, which have to be there.')
@allowed([
  'vault'
  'secrets'
])
param rbacScope string = 'vault'

@description('A new vault: true forbids everybody to purge it, or a secret, before 90 days are over. It can never be turned off again.')
param purgeProtection bool = true

@description('Object id of the user, group or service principal who may manage the secrets of a new vault; empty: nobody is given that.')
param secretsOfficerId string = ''

@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param secretsOfficerType string = 'User'

@description('accessPolicy: what the officer may do with secrets.')
param secretsOfficerPermissions array = [
  'get'
  'list'
  'set'
  'delete'
  'recover'
]

@description('True: the app reads the vault through a private endpoint, and a new vault is closed to the internet.')
param vnetEnabled bool = false

@description('vnetEnabled: address range of the network.')
param vnetAddressPrefix string = '10.0.0.0/26'

@description('vnetEnabled: range of the app\'s subnet, a /27 or larger.')
param appSubnetPrefix string = '10.0.0.0/27'

@description('vnetEnabled: range of the subnet of the vault\'s endpoint, a /28 or larger.')
param endpointSubnetPrefix string = '10.0.0.32/28'

@description('vnetEnabled: public addresses or CIDR ranges, comma-separated, from which people manage the secrets of a new vault.')
param vaultAllowedIpRanges string = ''

// ---- The handler's settings, one parameter each (docs/configuration.md) ---------------------------------------------

@description('ALLOWED_SECRETS: comma-separated names; a trailing `*` allows a prefix.')
@minLength(1)
param allowedSecrets string

@description('ALLOWED_ORIGINS: comma-separated, without spaces. On flex also the platform\'s own CORS list, so exact origins only.')
@minLength(1)
param allowedOrigins string

@description('ALLOW_CREDENTIALS; on flex also the platform\'s own.')
param allowCredentials bool = false

@description('ALLOWED_HEADERS: request headers that a preflight may ask for; empty: none. On flex the platform allows any.')
param allowedHeaders string = 'authorization,x-functions-key,x-ms-client-request-id,x-ms-useragent,traceparent,tracestate'

@description('EXPOSED_HEADERS: response headers that scripts may read; empty: none.')
param exposedHeaders string = 'retry-after,www-authenticate,x-ms-client-request-id,x-ms-request-id'

@description('PREFLIGHT_MAX_AGE_SECONDS: 0 to 86400; empty: no header. On flex the platform sends none.')
param preflightMaxAgeSeconds string = '600'

@description('REQUIRE_ORIGIN: refuse requests without Origin.')
param requireOrigin bool = true

@description('CACHE_TTL_SECONDS: how long a copy is fresh; 0 keeps nothing.')
@minValue(0)
@maxValue(86400)
param cacheTtlSeconds int = 300

@description('CACHE_STALE_SECONDS: how long past that a copy may be served while the vault is away.')
@minValue(0)
@maxValue(86400)
param cacheStaleSeconds int = 3600

@description('PREFETCH: fetch the exact names of allowedSecrets at start.')
param prefetch bool = true

@description('UPSTREAM_TIMEOUT_SECONDS: the longest that a caller waits for the vault.')
@minValue(1)
@maxValue(60)
param upstreamTimeoutSeconds int = 5

@description('ENTRA_TENANT_ID: callers need an Entra access token of this tenant; empty: the function key is all that is asked.')
param entraTenantId string = ''

@description('ENTRA_AUDIENCE: comma-separated; App ID URI, and the client id for version 2 tokens.')
param entraAudience string = ''

@description('ENTRA_REQUIRED_SCOPES: comma-separated; any one of them, or of the roles, lets a caller in.')
param entraRequiredScopes string = ''

@description('ENTRA_REQUIRED_ROLES: comma-separated.')
param entraRequiredRoles string = ''

@description('ENTRA_ALLOWED_CLIENTS: comma-separated client ids; empty: any.')
param entraAllowedClients string = ''

@description('ENTRA_AUTHORITY_HOST: the authority of this cloud.')
param entraAuthorityHost string = environment().authentication.loginEndpoint

@description('DANGEROUSLY_ALLOW_ANONYMOUS: start although GetSecret/function.json says anonymous and Entra is off.')
param dangerouslyAllowAnonymous bool = false

@description('DANGEROUSLY_ALLOW_ANY_ORIGIN: accept `*` in allowedOrigins.')
param dangerouslyAllowAnyOrigin bool = false

@description('DANGEROUSLY_ALLOW_ANY_SECRET: accept `*` in allowedSecrets.')
param dangerouslyAllowAnySecret bool = false

@description('LOG_FORMAT')
@allowed([
  'text'
  'json'
])
param logFormat string = 'text'

@description('RUST_LOG: tracing\'s filter directives.')
param rustLog string = 'warn,keyvault_cors=info'

// ---- Names ----------------------------------------------------------------------------------------------------------

var token = uniqueString(subscription().id, resourceGroup().id, environmentName)
var tags = {
  'azd-env-name': environmentName
}
var siteName = empty(functionAppName) ? 'func-${token}' : functionAppName
var insightsName = 'appi-${token}'
var storageAccountName = 'st${token}'

var makesVault = empty(existingKeyVaultName)
var vaultName = makesVault ? 'kv-${token}' : existingKeyVaultName
var vaultResourceGroup = makesVault || empty(existingKeyVaultResourceGroup) ? resourceGroup().name : existingKeyVaultResourceGroup
var ipRanges = empty(vaultAllowedIpRanges) ? [] : split(replace(vaultAllowedIpRanges, ' ', ''), ',')

// One parameter feeds the handler and the platform's list on Flex Consumption, so the two cannot differ.
var platformOrigins = split(allowedOrigins, ',')
var isAnyOrigin = allowedOrigins == '*' && dangerouslyAllowAnyOrigin
var hasOriginPattern = contains(allowedOrigins, '*') && !isAnyOrigin

var scopedSecrets = rbacScope == 'vault' ? [] : split(replace(allowedSecrets, ' ', ''), ',')

// Lower case, because `string(true)` is `True`: what is set here reads as it does everywhere else.
var settings = {
  KEY_VAULT_URL: 'https://${vaultName}${environment().suffixes.keyvaultDns}'
  ALLOWED_SECRETS: allowedSecrets
  ALLOWED_ORIGINS: allowedOrigins
  ALLOW_CREDENTIALS: toLower(string(allowCredentials))
  ALLOWED_HEADERS: allowedHeaders
  EXPOSED_HEADERS: exposedHeaders
  PREFLIGHT_MAX_AGE_SECONDS: preflightMaxAgeSeconds
  REQUIRE_ORIGIN: toLower(string(requireOrigin))
  CACHE_TTL_SECONDS: string(cacheTtlSeconds)
  CACHE_STALE_SECONDS: string(cacheStaleSeconds)
  PREFETCH: toLower(string(prefetch))
  UPSTREAM_TIMEOUT_SECONDS: string(upstreamTimeoutSeconds)
  AZURE_CLIENT_ID: identity.properties.clientId
  // Developer tools are no way to sign in here, whatever else is installed.
  AZURE_TOKEN_CREDENTIALS: 'prod'
  ENTRA_TENANT_ID: entraTenantId
  ENTRA_AUDIENCE: entraAudience
  ENTRA_REQUIRED_SCOPES: entraRequiredScopes
  ENTRA_REQUIRED_ROLES: entraRequiredRoles
  ENTRA_ALLOWED_CLIENTS: entraAllowedClients
  ENTRA_AUTHORITY_HOST: entraAuthorityHost
  DANGEROUSLY_ALLOW_ANONYMOUS: toLower(string(dangerouslyAllowAnonymous))
  DANGEROUSLY_ALLOW_ANY_ORIGIN: toLower(string(dangerouslyAllowAnyOrigin))
  DANGEROUSLY_ALLOW_ANY_SECRET: toLower(string(dangerouslyAllowAnySecret))
  LOG_FORMAT: logFormat
  RUST_LOG: rustLog
}

// ---- Resources ------------------------------------------------------------------------------------------------------

module assertions 'modules/assertions.bicep' = {
  name: 'assertions'
  params: {
    allowedOriginsAreExactOrThePlanIsPremium: any(hostingPlan == 'premium' || !hasOriginPattern)
    allowedSecretsAreExactOrRbacScopeIsVault: any(rbacScope == 'vault' || !contains(allowedSecrets, '*'))
    rbacScopeIsVaultOrTheModelIsRbac: any(rbacScope == 'vault' || keyVaultAccessModel == 'rbac')
    vaultAllowedIpRangesAreEmptyOrVnetIsEnabled: any(empty(vaultAllowedIpRanges) || vnetEnabled)
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${token}'
  location: location
  tags: tags
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    location: location
    tags: tags
    workspaceName: 'log-${token}'
    auditWorkspaceName: 'log-audit-${token}'
    insightsName: insightsName
    identityName: identity.name
    retentionDays: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    location: location
    tags: tags
    storageAccountName: storageAccountName
    containerName: 'package'
    identityName: identity.name
  }
}

module vault 'modules/vault.bicep' = if (makesVault) {
  name: 'vault'
  params: {
    location: location
    tags: tags
    vaultName: vaultName
    identityName: identity.name
    workspaceId: monitoring.outputs.auditWorkspaceId
    accessModel: keyVaultAccessModel
    purgeProtection: purgeProtection
    isPrivate: vnetEnabled
    allowedIpRanges: ipRanges
    officerId: secretsOfficerId
    officerPermissions: secretsOfficerPermissions
  }
}

resource existingVault 'Microsoft.KeyVault/vaults@2026-02-01' existing = if (!makesVault) {
  scope: resourceGroup(vaultResourceGroup)
  name: vaultName
}

module vaultModel 'modules/assertions.bicep' = if (!makesVault) {
  name: 'vault-model'
  params: {
    keyVaultAccessModelIsTheExistingVaults: any(makesVault ? true : (contains(existingVault!.properties, 'enableRbacAuthorization') ? existingVault!.properties.enableRbacAuthorization == true : false) == (keyVaultAccessModel == 'rbac'))
  }
}

module vaultPolicy 'modules/vault-policy.bicep' = if (!makesVault && keyVaultAccessModel == 'accessPolicy') {
  name: 'vault-policy-${token}'
  scope: resourceGroup(vaultResourceGroup)
  params: {
    vaultName: vaultName
    principalId: identity.properties.principalId
  }
  dependsOn: [
    vaultModel
  ]
}

module vaultRole 'modules/vault-role.bicep' = if (keyVaultAccessModel == 'rbac') {
  name: 'vault-role-${token}'
  scope: resourceGroup(vaultResourceGroup)
  params: {
    vaultName: vaultName
    principalId: identity.properties.principalId
    secretNames: scopedSecrets
    // Whose vault it is decides who manages its secrets.
    officerId: makesVault ? secretsOfficerId : ''
    officerType: secretsOfficerType
  }
  dependsOn: [
    vault
    vaultModel
  ]
}

module network 'modules/network.bicep' = if (vnetEnabled) {
  name: 'network'
  params: {
    location: location
    tags: tags
    networkName: 'vnet-${token}'
    vaultId: resourceId(vaultResourceGroup, 'Microsoft.KeyVault/vaults', vaultName)
    appSubnetDelegation: hostingPlan == 'flex' ? 'Microsoft.App/environments' : 'Microsoft.Web/serverFarms'
    addressPrefix: vnetAddressPrefix
    appSubnetPrefix: appSubnetPrefix
    endpointSubnetPrefix: endpointSubnetPrefix
  }
  dependsOn: [
    vault
  ]
}

// The app comes last: it reads the vault as soon as it starts.
module flexApp 'modules/app-flex.bicep' = if (hostingPlan == 'flex') {
  name: 'app-flex'
  params: {
    location: location
    tags: tags
    planName: 'plan-${token}'
    siteName: siteName
    identityName: identity.name
    storageAccountName: storageAccountName
    insightsName: insightsName
    packageContainerUrl: storage.outputs.containerUrl
    settings: settings
    allowedOrigins: platformOrigins
    allowCredentials: allowCredentials
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    perInstanceConcurrency: perInstanceConcurrency
    alwaysReadyInstanceCount: alwaysReadyInstanceCount
  }
  dependsOn: [
    assertions
    monitoring
    vault
    vaultPolicy
    vaultRole
  ]
}

module premiumApp 'modules/app-premium.bicep' = if (hostingPlan == 'premium') {
  name: 'app-premium'
  params: {
    location: location
    tags: tags
    planName: 'plan-${token}'
    siteName: siteName
    identityName: identity.name
    storageAccountName: storageAccountName
    insightsName: insightsName
    settings: settings
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    skuName: premiumSku
    instanceCount: premiumInstanceCount
  }
  dependsOn: [
    assertions
    monitoring
    storage
    vault
    vaultPolicy
    vaultRole
  ]
}

// ---- What azd and people want to know -------------------------------------------------------------------------------

output AZURE_FUNCTION_APP_NAME string = siteName
output AZURE_FUNCTION_APP_URL string = 'https://${hostingPlan == 'flex' ? flexApp!.outputs.hostName : premiumApp!.outputs.hostName}'
output AZURE_KEY_VAULT_NAME string = vaultName
output AZURE_KEY_VAULT_RESOURCE_GROUP string = vaultResourceGroup
