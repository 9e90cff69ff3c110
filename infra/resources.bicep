// Everything, in one resource group. Use it alone (`az deployment group create`), or through main.bicep, which makes
// the resource group first.
//
// In order: an identity; what it may log to and store in; the vault and what the identity may read there; the network,
// where there is one; the app. Nothing that comes earlier knows what comes later, so there is no cycle.

targetScope = 'resourceGroup'

import {
  accessModel
  hostingPlan as hostingPlanType
  instanceMemory
  logFormat as logFormatType
  premiumSize
  principalType
  roleScope
  rule
} from 'types.bicep'

// ---- What is deployed -----------------------------------------------------------------------------------------------

@description('A name for this deployment; resources are tagged with it, and azd finds them by it.')
param environmentName string = resourceGroup().name

@description('Region of everything.')
param location string = resourceGroup().location

@description('Name of the function app; its URL begins with it, followed by a hash and the region. Empty: one is made up.')
@maxLength(60)
param functionAppName string = ''

@description('flex: scales to zero, and the platform answers preflights, so exact origins only. premium: always on, and the Preflight function answers, so patterns work.')
param hostingPlan hostingPlanType = 'flex'

@description('flex: memory of an instance.')
param instanceMemoryMB instanceMemory = 2048

@description('flex: the most instances; Azure refuses a number that it does not take.')
@minValue(1)
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
param premiumSku premiumSize = 'P0v3'

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

// ---- Alerts (docs/operations.md) ------------------------------------------------------------------------------------

@description('Address that is written to when an alert fires; empty: no alerts.')
param alertEmail string = ''

@description('alertEmail: a monthly amount in the subscription\'s currency, of whose forecast the address is warned; 0: no budget.')
@minValue(0)
param monthlyBudget int = 0

@description('monthlyBudget: the first day of a month, as YYYY-MM-01. It cannot be changed later.')
param budgetStart string = ''

// ---- The vault ------------------------------------------------------------------------------------------------------

@description('Name of a vault that is there already; empty: a new one is made.')
param existingKeyVaultName string = ''

@description('Resource group of the vault that is there already; empty: this one.')
param existingKeyVaultResourceGroup string = ''

@description('How the app may read the vault. accessPolicy: `get` on all secrets. rbac: Key Vault Secrets User. An existing vault has to be of that model.')
param keyVaultAccessModel accessModel = 'accessPolicy'

@description('rbac: vault gives the role on the whole vault; secrets on the secrets of allowedSecrets alone, which have to be there.')
param rbacScope roleScope = 'vault'

@description('A new vault: true forbids everybody to purge it, or a secret, before 90 days are over. It can never be turned off again.')
param purgeProtection bool = true

@description('Object id of the user, group or service principal who may manage the secrets of a new vault; empty: nobody is given that.')
param secretsOfficerId string = ''

@description('What secretsOfficerId names.')
param secretsOfficerType principalType = 'User'

@description('accessPolicy: what the officer may do with secrets.')
param secretsOfficerPermissions string[] = [
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

@description('REQUIRED_TAG: NAME or NAME=VALUE that a secret must carry in the vault to be served; empty: none.')
param requiredTag string = ''

@description('RULES__…: narrow what the settings above allow, for some of the secrets.')
@maxLength(32)
param rules rule[] = []

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

@description('LOG_FORMAT: text or json.')
param logFormat logFormatType = 'text'

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
var vaultResourceGroup = makesVault || empty(existingKeyVaultResourceGroup)
  ? resourceGroup().name
  : existingKeyVaultResourceGroup
var ipRanges = empty(vaultAllowedIpRanges)
  ? []
  : vnetEnabled
      ? split(replace(vaultAllowedIpRanges, ' ', ''), ',')
      : fail('vaultAllowedIpRanges: without vnetEnabled the vault is open to every address. Set vnetEnabled to true, or leave vaultAllowedIpRanges empty')

// One parameter feeds the handler and the platform's list on Flex Consumption, so the two cannot differ.
var isAnyOrigin = allowedOrigins == '*' && dangerouslyAllowAnyOrigin
var hasOriginPattern = contains(allowedOrigins, '*') && !isAnyOrigin
var originsHaveWhiteSpace = !empty(filter([' ', '\t', '\n', '\r'], space => contains(allowedOrigins, space)))
var origins = originsHaveWhiteSpace
  ? fail('allowedOrigins: the handler does not start with white space in it. Write the origins with commas and nothing else between them')
  : split(allowedOrigins, ',')
var platformOrigins = hostingPlan == 'flex' && hasOriginPattern
  ? fail('allowedOrigins: on the flex plan the platform answers preflights, and it knows no patterns. List exact origins, or set hostingPlan to premium')
  : origins

var scopedSecrets = rbacScope == 'vault'
  ? []
  : keyVaultAccessModel == 'accessPolicy'
      ? fail('rbacScope: an access policy is for the whole vault. Set keyVaultAccessModel to rbac, or leave rbacScope at vault')
      : contains(allowedSecrets, '*')
          ? fail('allowedSecrets: no role can be given on a pattern. List exact names, or set rbacScope to vault')
          : split(replace(allowedSecrets, ' ', ''), ',')

var hasBudget = monthlyBudget > 0
  ? empty(alertEmail)
      ? fail('monthlyBudget: nobody would be told. Set alertEmail, or leave monthlyBudget at 0')
      : empty(budgetStart) ? fail('budgetStart: a budget needs the first day of a month. Set it, as YYYY-MM-01') : true
  : false

var ruleNames = map(rules, it => it.name)
var hasRuleTwice = length(union(ruleNames, [])) != length(ruleNames)
var ruleNameCharacters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
var badRuleNames = filter(
  ruleNames,
  name => !empty(filter(range(0, length(name)), at => !contains(ruleNameCharacters, substring(name, at, 1))))
)
var checkedRules = hasRuleTwice
  ? fail('rules: two rules have one name. Give each a name of its own')
  : empty(badRuleNames)
      ? rules
      : fail('rules: the name of a rule is made of A-Z and 0-9. Rename ${join(badRuleNames, ', ')}')

// Each part only where it is given: an empty one is a fault of the handler.
var ruleParts = flatten(map(checkedRules, it => [
  { name: 'RULES__${it.name}__SECRETS', value: it.secrets }
  { name: 'RULES__${it.name}__ORIGINS', value: it.?origins }
  { name: 'RULES__${it.name}__SCOPES', value: it.?scopes }
  { name: 'RULES__${it.name}__ROLES', value: it.?roles }
  { name: 'RULES__${it.name}__CLIENTS', value: it.?clients }
  { name: 'RULES__${it.name}__CACHE_TTL_SECONDS', value: it.?cacheTtlSeconds }
  { name: 'RULES__${it.name}__GIVE', value: it.?give }
]))
var ruleSettings = toObject(filter(ruleParts, it => it.value != null), it => it.name, it => string(it.value))

// Lower case, because `string(true)` is `True`: what is set here reads as it does everywhere else.
var settings = {
  KEY_VAULT_URL: 'https://${vaultName}${environment().suffixes.keyvaultDns}'
  ALLOWED_SECRETS: allowedSecrets
  ALLOWED_ORIGINS: join(origins, ',')
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
  ...empty(requiredTag) ? {} : { REQUIRED_TAG: requiredTag }
  ...ruleSettings
}

// ---- Resources ------------------------------------------------------------------------------------------------------

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

module vaultModel 'modules/vault-model.bicep' = if (!makesVault) {
  name: 'vault-model-${token}'
  scope: resourceGroup(vaultResourceGroup)
  params: {
    vaultName: vaultName
    accessModel: keyVaultAccessModel
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

// `scopedSecrets` is asked for here too, so that single secrets without RBAC are refused and not just left out.
module vaultRole 'modules/vault-role.bicep' = if (keyVaultAccessModel == 'rbac' || !empty(scopedSecrets)) {
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
  // A private endpoint writes to the vault, and Azure refuses two writers at a time (ConflictError). Each is named:
  // an order that runs through a module that is left out does not hold.
  dependsOn: [
    vault
    vaultModel
    vaultPolicy
    vaultRole
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
    blobServiceUri: storage.outputs.blobServiceUri
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
    monitoring
    vault
    vaultModel
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
    blobServiceUri: storage.outputs.blobServiceUri
    insightsName: insightsName
    settings: settings
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    skuName: premiumSku
    instanceCount: premiumInstanceCount
  }
  dependsOn: [
    monitoring
    vault
    vaultModel
    vaultPolicy
    vaultRole
  ]
}

// `hasBudget` is asked for here too, so that a budget without an address is refused and not just left out.
module alerts 'modules/alerts.bicep' = if (!empty(alertEmail) || hasBudget) {
  name: 'alerts'
  params: {
    location: location
    tags: tags
    token: token
    insightsName: insightsName
    vaultId: resourceId(vaultResourceGroup, 'Microsoft.KeyVault/vaults', vaultName)
    email: alertEmail
    hasBudget: hasBudget
    monthlyBudget: monthlyBudget
    budgetStart: budgetStart
  }
  // An alert is about something that is there.
  dependsOn: [
    monitoring
    vault
    vaultModel
  ]
}

// ---- What azd and people want to know -------------------------------------------------------------------------------

output AZURE_FUNCTION_APP_NAME string = siteName
@description('With the hash and the region that Azure puts into the host name: take it from here, and do not make it from the name.')
output AZURE_FUNCTION_APP_URL string = 'https://${hostingPlan == 'flex' ? flexApp!.outputs.hostName : premiumApp!.outputs.hostName}'
output AZURE_KEY_VAULT_NAME string = vaultName
output AZURE_KEY_VAULT_RESOURCE_GROUP string = vaultResourceGroup
