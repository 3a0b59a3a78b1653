//! The rate limits of a request, and the headers `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers).

use blegram_auth::Authenticated;
use blegram_limits::{Demand, Limiter, Policy, RateLimitStatus, Subject};
use poem::{
    Request,
    http::{HeaderName, HeaderValue},
};

use crate::{Rejection, Rule, Site, client::Client};

/// The headers that tell a client the state of a rate limit.
pub fn headers(rate_limit: &RateLimitStatus) -> Vec<(HeaderName, HeaderValue)> {
    let name = rate_limit.policy.as_str();
    let policy = format!("\"{name}\";q={};w={}", rate_limit.quota.burst, rate_limit.quota.per.as_secs());
    let reset = rate_limit.reset.as_micros().div_ceil(1_000_000);
    let state = format!("\"{name}\";r={};t={reset}", rate_limit.remaining);
    let value = |text: &str| HeaderValue::from_str(text).ok();
    [("ratelimit-policy", value(&policy)), ("ratelimit", value(&state))]
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), value?)))
        .collect()
}

/// The rate limits of one request.
pub(crate) struct RequestLimits<'a> {
    pub(crate) client: Client,
    pub(crate) limiter: &'a Limiter,
}

impl<'a> RequestLimits<'a> {
    pub(crate) fn of(request: &Request, site: &Site, limiter: &'a Limiter) -> Self {
        Self { client: Client::of(request, site), limiter }
    }

    /// Counts the request under the operation's limit per address, before it is authenticated.
    pub(crate) async fn count_address(&self, rule: &Rule) -> Result<Option<RateLimitStatus>, Rejection> {
        let policy = rule.policy.filter(|policy| policy.is_per_address());
        match policy {
            Some(policy) => self.check_address(policy).await.map(Some),
            None => Ok(None),
        }
    }

    /// Counts the request under the limit of all requests and the operation's limit per user: for the user, or without
    /// one for the address.
    pub(crate) async fn count(
        &self,
        rule: &Rule,
        session: Option<&Authenticated>,
    ) -> Result<RateLimitStatus, Rejection> {
        let own = rule.policy.filter(|policy| !policy.is_per_address());
        let (all, own): (Demand, Vec<Demand>) = match session {
            Some(session) => {
                let demand = |policy| self.demand(policy, Subject::User(session.user));
                (demand(Policy::GlobalUser), own.map(demand).into_iter().collect())
            }
            None => {
                let [wide, narrow] = self.demands(Policy::GlobalAddress);
                let own = own.map(|policy| self.demands(policy)).into_iter().flatten();
                (wide, std::iter::once(narrow).chain(own).collect())
            }
        };
        Ok(self.limiter.take(&all, own).await?)
    }

    /// Counts a request that is rejected before it is counted for anybody else.
    pub(crate) async fn count_rejected(&self) -> Result<RateLimitStatus, Rejection> {
        self.check_address(Policy::GlobalAddress).await
    }

    /// Counts the request for its address.
    pub(crate) async fn check_address(&self, policy: Policy) -> Result<RateLimitStatus, Rejection> {
        let is_sign_up = policy == Policy::SignUp && self.client.is_loopback;
        let [wide, narrow] = self.demands(if is_sign_up { Policy::SignUpLoopback } else { policy });
        Ok(self.limiter.take(&wide, [narrow]).await?)
    }

    fn demands(&self, policy: Policy) -> [Demand; 2] {
        let [wide, narrow] = Demand::of_address(policy, self.client.address);
        [wide, narrow].map(|demand| demand.over_loopback(self.client.is_loopback))
    }

    fn demand(&self, policy: Policy, subject: Subject) -> Demand {
        Demand::new(policy, subject).over_loopback(self.client.is_loopback)
    }
}
