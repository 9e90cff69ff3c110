-- wrk -s load.lua ... -- METHOD: sets the method, and prints what was measured as one line of JSON.
function init(arguments)
  wrk.method = arguments[1]
end

function done(summary, latency, _)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  local line = '{"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d,"max":%d}\n'
  io.write(
    line:format(
      summary.requests,
      summary.duration,
      errors.status,
      broken,
      latency:percentile(50),
      latency:percentile(99),
      latency.max
    )
  )
end
