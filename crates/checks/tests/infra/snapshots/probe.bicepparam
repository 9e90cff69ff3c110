using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param resourceGroupName = 'rg-probe'
param functionAppName = 'mine'
param instanceMemoryMB = 4096
param maximumInstanceCount = 41
param perInstanceConcurrency = 42
param alwaysReadyInstanceCount = 3
param logRetentionDays = 44
param logDailyQuotaGb = 45
param keyVaultAccessModel = 'rbac'
param rbacScope = 'secrets'
param secretsOfficerId = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
param secretsOfficerType = 'ServicePrincipal'
param purgeProtection = false
param vnetEnabled = true
param vnetAddressPrefix = '10.9.0.0/24'
param appSubnetPrefix = '10.9.0.0/25'
param endpointSubnetPrefix = '10.9.0.128/28'
param vaultAllowedIpRanges = '203.0.113.0/24'
param alertEmail = 'ops@contoso.com'
param monthlyBudget = 46
param budgetStart = '2027-01-01'
param allowedSecrets = 'maps-key'
param allowedOrigins = 'https://app.contoso.com'
param allowCredentials = true
param allowedHeaders = 'x-a'
param exposedHeaders = 'x-b'
param preflightMaxAgeSeconds = '47'
param requireOrigin = false
param cacheTtlSeconds = 48
param cacheStaleSeconds = 49
param prefetch = false
param upstreamTimeoutSeconds = 50
param requiredTag = 'probe'
param rules = [
  {
    name: 'R1'
    secrets: 'maps-key'
    origins: 'https://app.contoso.com'
    scopes: 's'
    roles: 'r'
    clients: '22222222-8888-7777-6666-555555555555'
    cacheTtlSeconds: 0
    give: 'pubsub-token host=h hub=b'
  }
]
param entraTenantId = '11111111-8888-7777-6666-555555555555'
param entraAudience = 'api://x'
param entraRequiredScopes = 's'
param entraRequiredRoles = 'r'
param entraAllowedClients = '22222222-8888-7777-6666-555555555555'
param entraAuthorityHost = 'https://login.example.com'
param dangerouslyAllowAnonymous = true
param dangerouslyAllowAnyOrigin = true
param dangerouslyAllowAnySecret = true
param logFormat = 'json'
param rustLog = 'info'
