using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-key,search-key'
param allowedOrigins = 'https://app.contoso.com,https://admin.contoso.com'
param existingKeyVaultName = 'theirs'
param existingKeyVaultResourceGroup = 'rg-theirs'
param alertEmail = 'ops@contoso.com'
param monthlyBudget = 20
param budgetStart = '2026-12-01'
