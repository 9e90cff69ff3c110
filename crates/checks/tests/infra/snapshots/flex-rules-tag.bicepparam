using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-key,search-key'
param allowedOrigins = 'https://app.contoso.com,https://admin.contoso.com'
param entraTenantId = '99999999-8888-7777-6666-555555555555'
param entraAudience = 'api://keyvault-cors'
param entraRequiredScopes = 'secrets.read'
param requiredTag = 'browser=yes'
param rules = [
  {
    name: 'MAPS'
    secrets: 'maps-key'
    origins: 'https://app.contoso.com'
    scopes: 'secrets.read'
    roles: 'Secrets.Read.All'
    clients: '22222222-8888-7777-6666-555555555555'
    cacheTtlSeconds: 60
  }
  {
    name: 'SPEECH'
    secrets: 'search-key'
    give: 'speech-token region=westeurope'
  }
]
