"""The shell around the core: reads the world, writes it, keeps the journal. Knows ports only.

How the pieces fit, for whoever drives rollouts (commands, agent, simulators):

    adapters = Adapters(providers=…, sources=…, notifiers=…)      one set per playbook
    rollout_id = start.start(…)                                   restore points, Started
    rollout = Rollout.open(rollout_id, journal=…, …)              folds the journal
    rollout.take_lease(owner)                                     the right to drive
    teller = telling.Teller(rollout, run=workers.run)             people hear of it, beside it
    end = loop.drive(rollout, watch=…, stop=…, teller=teller)     ticks until it is at rest
    agent.run_agent(ports, stop=…), one_pass.tick_once(ports)     every rollout nobody drives
    requests.pause(journal, rollout_id, …)                        any process, at any time
    kill.kill_rollout(…), kill.kill_targets(…)                    no lease, no plan, no gate

`perform` is the only caller of `Provider.apply` and `restore`; `kill` the only one of
`Provider.kill`.
"""
