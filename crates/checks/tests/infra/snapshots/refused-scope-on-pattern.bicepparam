using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-*'
param allowedOrigins = 'https://app.contoso.com,https://admin.contoso.com'
param keyVaultAccessModel = 'rbac'
param rbacScope = 'secrets'
