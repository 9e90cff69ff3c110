using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-key,search-key'
param allowedOrigins = 'https://app.contoso.com,https://admin.contoso.com'
param hostingPlan = 'premium'
param keyVaultAccessModel = 'rbac'
param rbacScope = 'secrets'
param premiumSku = 'P1v3'
param premiumInstanceCount = 2
