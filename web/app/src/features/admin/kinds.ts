// What the audit log has, in the order of its filter. The server may add kinds: they are shown by their names.

export const KINDS = [
  "authn_login_success",
  "authn_login_fail_max",
  "authn_factor_fail_max",
  "authn_reauthenticated",
  "authn_password_change",
  "authn_password_reset",
  "authn_factor_added",
  "authn_factor_removed",
  "authn_recovery_codes_created",
  "authn_recovery_code_used",
  "authn_passkey_copied",
  "authn_identity_linked",
  "authn_identity_unlinked",
  "authn_token_revoked",
  "authn_token_reuse",
  "authz_change",
  "user_created",
  "user_updated",
  "user_email_change_requested",
  "user_email_verified",
  "user_suspended",
  "user_reinstated",
  "user_deleted",
] as const;

export type Kind = (typeof KINDS)[number];

export const isKnown = (kind: string): kind is Kind => (KINDS as readonly string[]).includes(kind);
