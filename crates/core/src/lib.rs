//! The delivery protocol of depeche: outcomes, policy, budgets, the journal trait and the engine.
