using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-key,search-key'
param allowedOrigins = 'https://app.contoso.com,https://admin.contoso.com'
param rules = [
  {
    name: 'MAPS'
    secrets: 'maps-key'
  }
  {
    name: 'MAPS'
    secrets: 'search-key'
  }
]
