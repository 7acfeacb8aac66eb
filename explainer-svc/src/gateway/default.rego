# Which agent may use which model, and what for. Used when the gateway's file names no `policy`.
#
# input: agent, team, purpose, model (the route that was asked for), target {provider, model, region}, policy (the id
# of the policy that it is about, or null), budget (for each budget that covers the call: dollars, tokens and requests, each with
# spent, soft and hard; overSoft).
# data.gateway.agents: the agents of the gateway's file, by name: team, models, purposes.
package whynot.gateway

import rego.v1

deny contains "the agent is not known" if not agent

deny contains sprintf("the agent may not spend for team %q", [input.team]) if {
	agent.team != "*"
	agent.team != input.team
}

deny contains sprintf("the agent may not use the model %q", [input.model]) if {
	agent
	not matches(agent.models, input.model)
}

deny contains sprintf("the agent may not use models for %q", [input.purpose]) if {
	agent
	not matches(agent.purposes, input.purpose)
}

agent := data.gateway.agents[input.agent]

matches(patterns, text) if {
	some pattern in patterns
	glob.match(pattern, null, text)
}
