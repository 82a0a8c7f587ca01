package verdict_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/verdict"
)

// Sentences of no provider in particular. Each stands for many that say the same in other words; those
// that are alike and mean something else stand side by side.
var sentences = []struct {
	status int
	text   string
	want   verdict.Kind
}{
	// Money.
	{403, "Your account has an overdue balance.", verdict.Exhausted},
	{403, "The balance of your wallet is negative", verdict.Exhausted},
	{400, "You don't have enough credits to run this request", verdict.Exhausted},
	{403, "There are not sufficient funds in your account", verdict.Exhausted},
	{403, "Your credits have run out. Please top up to continue.", verdict.Exhausted},
	{401, "Monthly budget for this key has been used up", verdict.Exhausted},
	{403, "The last invoice could not be paid: your card was declined", verdict.Exhausted},
	{403, "Billing has not been enabled for this project", verdict.Exhausted},
	{403, "A payment method is required to use this API", verdict.Exhausted},
	{403, "Your organization has unpaid invoices", verdict.Exhausted},
	{403, "Account suspended because of an unpaid bill", verdict.Exhausted},
	{403, "您的账户余额不足，请充值后再试", verdict.Exhausted},
	{403, "账号已欠费", verdict.Exhausted},
	{403, "Su saldo es insuficiente", verdict.Exhausted},
	{403, "Saldo insuficiente na sua conta", verdict.Exhausted},
	{403, "На балансе недостаточно средств", verdict.Exhausted},
	{403, "残高が不足しています", verdict.Exhausted},
	{403, "잔액이 부족합니다", verdict.Exhausted},
	{403, "Ihr Guthaben ist aufgebraucht", verdict.Exhausted},
	{403, "Votre solde est insuffisant", verdict.Exhausted},

	// A limit.
	{403, "You have used all of your quota for this month", verdict.Exhausted},
	{403, "Token quota is not enough", verdict.Exhausted},
	{403, "Requests per minute exceeded", verdict.Exhausted},
	{400, "Daily usage limit has been reached for this account", verdict.Exhausted},
	{403, "Your weekly allowance is exhausted", verdict.Exhausted},
	{401, "This key has exceeded its usage limit", verdict.Exhausted},
	{403, "免费额度已用尽", verdict.Exhausted},
	{403, "请求过于频繁，请稍后再试", verdict.Exhausted},
	{403, "Has superado el límite de uso", verdict.Exhausted},
	{403, "Превышен лимит запросов", verdict.Exhausted},
	{403, "Ihr Kontingent ist erschöpft", verdict.Exhausted},
	{403, "Le quota mensuel est dépassé", verdict.Exhausted},
	{403, "利用上限に達しました", verdict.Exhausted},
	{403, "사용량 한도를 초과했습니다", verdict.Exhausted},

	// The key, the token, the login.
	{403, "The virtual key has expired", verdict.Rejected},
	{400, "API key is not valid", verdict.Rejected},
	{403, "The access token you provided has been revoked", verdict.Rejected},
	{403, "We could not verify your credentials", verdict.Rejected},
	{403, "Unknown API key", verdict.Rejected},
	{403, "No API key found in request", verdict.Rejected},
	{400, "Missing bearer token", verdict.Rejected},
	{403, "Your session is no longer valid, log in again", verdict.Rejected},
	{403, "This key was disabled by its owner", verdict.Rejected},
	{403, "Error code: 403 - unauthenticated:bad-credentials", verdict.Rejected},
	{403, "Login has expired", verdict.Rejected},
	{403, "无效的令牌", verdict.Rejected},
	{403, "API密钥已过期", verdict.Rejected},
	{403, "La clave de API no es válida", verdict.Rejected},
	{403, "Chave de API inválida", verdict.Rejected},
	{403, "Неверный ключ API", verdict.Rejected},
	{403, "Срок действия токена истек", verdict.Rejected},
	{403, "APIキーが無効です", verdict.Rejected},
	{403, "API 키가 유효하지 않습니다", verdict.Rejected},
	{403, "Ungültiger API-Schlüssel", verdict.Rejected},
	{403, "Der Token ist abgelaufen", verdict.Rejected},
	{403, "Clé API invalide", verdict.Rejected},

	// The account.
	{403, "Your account has been deactivated", verdict.Dead},
	{400, "This organization has been disabled.", verdict.Dead},
	{403, "User was banned for abuse", verdict.Dead},
	{403, "The workspace has been deleted", verdict.Dead},
	{403, "Your account was terminated because you violated our terms", verdict.Dead},
	{403, "该账号已被封禁", verdict.Dead},
	{403, "Tu cuenta ha sido suspendida", verdict.Dead},
	{403, "Ваш аккаунт заблокирован", verdict.Dead},
	{403, "Ihr Konto wurde gesperrt", verdict.Dead},

	// A right, a plan, a place, a client.
	{400, "Your plan does not include this model", verdict.Forbidden},
	{400, "This model is not available on the free tier", verdict.Forbidden},
	{400, "Your account is not authorized to use this model", verdict.Forbidden},
	{400, "A paid subscription is required for this model", verdict.Forbidden},
	{400, "A Max plan is required for this model", verdict.Forbidden},
	{401, "You do not have permission to call this endpoint", verdict.Forbidden},
	{401, "The token lacks the scope model.request", verdict.Forbidden},
	{400, "This service is not available in your country", verdict.Forbidden},
	{401, "Requests from this IP address are not allowed", verdict.Forbidden},
	{400, "The model has not been activated for your account", verdict.Forbidden},
	{403, "您的账户未开通该模型服务", verdict.Forbidden},
	{400, "No tienes permiso para usar este modelo", verdict.Forbidden},
	{400, "この地域では利用できません", verdict.Forbidden},
	{400, "У вас нет доступа к этой модели", verdict.Forbidden},

	// Somebody else's trouble.
	{429, "The server is overloaded, please try again later", verdict.Pass},
	{429, "The model is at capacity right now", verdict.Pass},
	{403, "Upstream provider returned error: invalid API key", verdict.Pass},
	{429, "模型服务繁忙，请稍后再试", verdict.Pass},

	// The request.
	{400, "The model gpt-9 does not exist", verdict.Pass},
	{400, "max_tokens exceeds the limit of the model", verdict.Pass},
	{400, "Invalid value for parameter temperature", verdict.Pass},
	{400, "The request body is too large", verdict.Pass},
	{400, "Prompt is too long: 220000 tokens, the maximum is 200000", verdict.Pass},
	{400, "This model's maximum context length is 8192 tokens", verdict.Pass},
	{403, "Your request was flagged by our content moderation", verdict.Pass},
	{400, "The image could not be decoded", verdict.Pass},
	{400, "messages: at least one message is required", verdict.Pass},
	{400, "Tool choice is not supported by this model", verdict.Pass},
}

// The reading alone finds what these sentences mean, without a rule for any of them.
func TestReadingOfSentences(t *testing.T) {
	for _, s := range sentences {
		body, err := json.Marshal(map[string]any{"error": map[string]string{"message": s.text}})
		require.NoError(t, err)
		v, why := verdict.Hear(verdict.Provider{}, &http.Response{StatusCode: s.status, Header: http.Header{}}, body)
		assert.Equal(t, s.want.String(), v.Kind.String(), "%d %s\n%s %s", s.status, s.text, v.Reason, why)
	}
}

// Look-alikes: nearly the same words, and another meaning.
var lookAlikes = []struct {
	status    int
	one       string
	oneMeans  verdict.Kind
	two       string
	twoMeans  verdict.Kind
	different string
}{
	{403, "Your account is suspended", verdict.Dead, "Your account is suspended because of an unpaid invoice", verdict.Exhausted, "the cause decides"},
	{403, "Your account has been disabled", verdict.Dead, "Your account has been disabled: insufficient balance", verdict.Exhausted, "the cause decides"},
	{403, "Access denied", verdict.Forbidden, "Access denied due to an invalid API key", verdict.Rejected, "the cause decides"},
	{403, "The request was denied", verdict.Forbidden, "The request was denied due to a violation of our content policy", verdict.Pass, "the cause decides"},
	{429, "You exceeded the rate limit", verdict.Exhausted, "The server is overloaded and exceeded its capacity", verdict.Pass, "whose trouble it is"},
	{429, "Too many requests for this key", verdict.Exhausted, "The upstream provider returned: too many requests, server overloaded", verdict.Pass, "whose limit it is"},
	{403, "Your API key is invalid", verdict.Rejected, "Upstream error: the API key is invalid", verdict.Pass, "whose key it is"},
	{400, "The model does not exist", verdict.Pass, "Your account does not have access to the model", verdict.Forbidden, "another account may have it"},
	{400, "The model is not available", verdict.Pass, "The model is not available for your plan", verdict.Forbidden, "another account may have it"},
	{400, "The model is not supported", verdict.Pass, "The model is not supported in your region", verdict.Forbidden, "another place may have it"},
	{403, "Token has expired", verdict.Rejected, "Token quota has been used up", verdict.Exhausted, "a login, or a number of tokens"},
	{400, "The token is invalid", verdict.Rejected, "The number of tokens exceeds the context length", verdict.Pass, "a login, or a number of tokens"},
	{403, "The key does not have the permission", verdict.Forbidden, "The key does not exist", verdict.Rejected, "known, or not"},
	{403, "User not found", verdict.Rejected, "User not allowed", verdict.Forbidden, "known, or not"},
	{403, "Your subscription does not include this model", verdict.Forbidden, "Your subscription has used up its quota", verdict.Exhausted, "a right, or an amount"},
	{403, "This key is not authorized for this endpoint", verdict.Forbidden, "This key is not valid for this endpoint", verdict.Rejected, "a right, or the key"},
	{400, "max_tokens exceeds the limit", verdict.Pass, "Your spending exceeds the limit", verdict.Exhausted, "the request, or money"},
	{400, "A valid payment method is required", verdict.Exhausted, "A valid method parameter is required", verdict.Pass, "money, or the request"},
	{401, "Billing is not enabled", verdict.Exhausted, "Authentication is not enabled", verdict.Forbidden, "money, or the way to log in"},
	{403, "您的余额不足", verdict.Exhausted, "您的权限不足", verdict.Forbidden, "money, or a right"},
	{403, "令牌额度已用尽", verdict.Exhausted, "令牌已过期", verdict.Rejected, "an amount, or the key"},
	{429, "当前模型负载过高，服务繁忙", verdict.Pass, "当前账户请求过于频繁", verdict.Exhausted, "whose trouble it is"},
}

func TestLookAlikesStayApart(t *testing.T) {
	for _, p := range lookAlikes {
		for text, want := range map[string]verdict.Kind{p.one: p.oneMeans, p.two: p.twoMeans} {
			body, err := json.Marshal(map[string]any{"error": map[string]string{"message": text}})
			require.NoError(t, err)
			v, why := verdict.Hear(verdict.Provider{}, &http.Response{StatusCode: p.status, Header: http.Header{}}, body)
			assert.Equal(t, want.String(), v.Kind.String(), "%s: %d %s\n%s %s", p.different, p.status, text, v.Reason, why)
		}
	}
}
