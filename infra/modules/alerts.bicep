// Who is told when the vault refuses the app, when callers get errors or nothing at all, when the vault is changed, and
// when the month gets expensive. docs/operations.md says what to do about each.
//
// The queries read the handler's own log lines, text or JSON. Names and values in a line are matched with their
// punctuation and by case: a secret's name and an origin are callers' words, and a quote in them is always escaped.

import { resourceTags } from '../types.bicep'

param location string
param tags resourceTags
param token string
param insightsName string
param vaultId string
param email string
param hasBudget bool
param monthlyBudget int

@description('The first day of a month, as YYYY-MM-01.')
param budgetStart string

// A read that was answered, with its status.
var reads = '''
traces
| where message has_cs "GetSecret" and message matches regex @'[ ,]"?function"?[=:]"GetSecret"'
| extend status = toint(extract(@'[ ,]"?status"?[=:](\d{3})', 1, message))
| where isnotnull(status)
'''

var logRules = [
  {
    name: 'vault-access-denied'
    title: 'Key Vault refuses the app'
    severity: 1
    window: 'PT15M'
    query: '''
traces
| where message has_cs "VaultAccessDenied" and message matches regex @'[ ,]"?verdict"?[=:]"VaultAccessDenied"'
'''
  }
  {
    name: 'server-errors'
    title: 'More than 5% of the reads end with a status of 500 or above'
    severity: 2
    window: 'PT15M'
    query: '${reads}| summarize asked = count(), failed = countif(status >= 500)\n| where asked >= 20 and failed * 20 > asked\n'
  }
  {
    name: 'no-successful-read'
    title: 'Secrets were asked for, and none was read'
    severity: 2
    window: 'PT1H'
    query: '${reads}| summarize asked = count(), served = countif(status == 200)\n| where asked >= 5 and served == 0\n'
  }
]

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource operators 'Microsoft.Insights/actionGroups@2024-10-01-preview' = {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'kv-cors'
    enabled: true
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in logRules: {
    name: '${rule.name}-${token}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.title
      severity: rule.severity
      enabled: true
      scopes: [
        insights.id
      ]
      evaluationFrequency: rule.window
      windowSize: rule.window
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
          }
        ]
      }
      actions: {
        actionGroups: [
          operators.id
        ]
      }
    }
  }
]

// Whoever may write the vault, its policies or its role assignments may give themselves every secret in it.
resource vaultChanged 'Microsoft.Insights/activityLogAlerts@2026-01-01' = {
  name: 'vault-changed-${token}'
  location: 'global'
  tags: tags
  properties: {
    description: 'The vault, or who may read it, was changed. Each deployment does that too.'
    enabled: true
    scopes: [
      vaultId
    ]
    condition: {
      allOf: [
        {
          field: 'category'
          equals: 'Administrative'
        }
        {
          anyOf: [
            {
              field: 'operationName'
              equals: 'Microsoft.KeyVault/vaults/write'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.KeyVault/vaults/delete'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.KeyVault/vaults/accessPolicies/write'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Authorization/roleAssignments/write'
            }
          ]
        }
      ]
    }
    actions: {
      actionGroups: [
        {
          actionGroupId: operators.id
        }
      ]
    }
  }
}

resource budget 'Microsoft.Consumption/budgets@2026-06-01' = if (hasBudget) {
  name: 'budget-${token}'
  properties: {
    category: 'Cost'
    amount: monthlyBudget
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: budgetStart
    }
    notifications: {
      forecast: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: [
          email
        ]
      }
    }
  }
}
