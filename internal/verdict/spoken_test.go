package verdict

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The clock stands at noon UTC on Monday, 23 November 2026.
func TestSpokenResets(t *testing.T) {
	at := func(month time.Month, day, hour, minute int) time.Duration {
		return time.Date(2026, month, day, hour, minute, 0, 0, time.UTC).Sub(noon)
	}
	for form, said := range map[string]map[string]time.Duration{
		"a named limit": {
			"TPM limit reached.": time.Minute, "max RPM: 3": time.Minute, "Rate limit on tokens per min (TPM)": time.Minute,
			"Limit on tokens per day (TPD)": day, "You hit your RPD limit": day, "requests per hour": time.Hour, "10,000 tokens per week": week,
			"daily limit": day, "Weekly/Monthly limit": week, "3 RPM and 200 RPD": time.Minute,
			`{"error":{"code":"rpm_limit_exceeded"}}`: time.Minute, `{"error":{"code":"tokens_per_day_limit"}}`: day, `{"error":{"code":"TPMLimitExceeded"}}`: time.Minute,
			`{"error":{"code":"RequestsPerDay"}}`: day, `{"error":{"code":"DAILY_LIMIT_EXCEEDED"}}`: day,
			"已达到每日限额": day, "每分钟请求数超限": time.Minute, "1分あたりの上限": time.Minute, "분당 요청 한도": time.Minute, "за сутки": day, "запросов в минуту": time.Minute,
			"Anfragen pro Tag": day, "solicitudes por minuto": time.Minute, "tokens por dia": day, "requêtes par heure": time.Hour, "limite diario": day, "wöchentliches Limit": week,
		},
		"a window": {
			"5-hour limit reached": 5 * time.Hour, "You have exceeded the 5-hour usage quota": 5 * time.Hour, "exceeded your 5 hour session limits": 5 * time.Hour,
			"60-minute credit limit exceeded": time.Hour, "rolling 24-hour window": day, "limit reached for the past 5 hours": 5 * time.Hour, "limit reached for 5 hour": 5 * time.Hour,
			"100 requests every 10 minutes": 10 * time.Minute, "60 requests per 30 seconds": 30 * time.Second, "7-day quota": week, "2 week quota": 2 * week, "hour allocated quota exceeded": time.Hour,
			"每5小时限制": 5 * time.Hour, "5小时用量已达上限": 5 * time.Hour, "每 30 天": month, "5시간 한도 초과": 5 * time.Hour, "5時間の制限": 5 * time.Hour,
		},
		"a length": {
			"Try again in 12 minutes": 12 * time.Minute, "resets in 2 days 3 hours": 2*day + 3*time.Hour, "Please wait 587 hours 33 minutes before trying again.": 587*time.Hour + 33*time.Minute,
			"resets every 1h": time.Hour, "come back in 1 hour and 5 minutes": 65 * time.Minute, "5 minutes remaining until your limit resets": 5 * time.Minute, "**Retry** after **30s**": 30 * time.Second,
			"retry after 1.5 hours": 90 * time.Minute, "Available again in ~20s": 20 * time.Second, "retry_after=30s": 30 * time.Second, "Cooldown: 45 seconds": 45 * time.Second, "limit expires in 3 h": 3 * time.Hour,
			"将在 12 分钟后重置": 12 * time.Minute, "请在30秒后重试": 30 * time.Second, "请等待 2 小时": 2 * time.Hour, "3天后恢复": 3 * day, "1小时30分钟后再试": 90 * time.Minute, "5 小時後再試": 5 * time.Hour,
			"30秒後に再試行してください": 30 * time.Second, "2時間後にリセットされます": 2 * time.Hour, "30초 후에 다시 시도하세요": 30 * time.Second, "12분 후 재설정": 12 * time.Minute,
			"Повторите попытку через 12 минут": 12 * time.Minute, "Попробуйте снова через 2 часа 5 минут": 125 * time.Minute, "Сброс через 30 сек.": 30 * time.Second,
			"Inténtelo de nuevo en 30 segundos": 30 * time.Second, "espere 2 horas": 2 * time.Hour, "Tente novamente em 5 minutos": 5 * time.Minute, "aguarde 1 hora e 5 minutos": 65 * time.Minute,
			"Bitte versuchen Sie es in 30 Sekunden erneut": 30 * time.Second, "Bitte warten Sie 2 Stunden": 2 * time.Hour, "Veuillez réessayer dans 5 minutes": 5 * time.Minute, "attendez 2 heures": 2 * time.Hour,
			"retry after PT1H30M": 90 * time.Minute, "resets in P1DT2H": 26 * time.Hour, "Retry after PT30S.": 30 * time.Second, "retry after 00:00:30": 30 * time.Second, "replenished in 5.03:23:11.": 5*day + 3*time.Hour + 23*time.Minute + 11*time.Second,
			`{"retry_after":"PT2M"}`: 2 * time.Minute, `{"resets_in":"2h 30m"}`: 150 * time.Minute,
		},
		"a date": {
			"resets November 30, 2026 at 2:00 AM": at(11, 30, 2, 0), "available again on Nov 30 at 2am": at(11, 30, 2, 0), "resets on November 30, 2026 at 2:00 AM UTC": at(11, 30, 2, 0),
			"resets on Nov 30 at 2am (UTC+2)": at(11, 30, 0, 0), "will reset on 30 November 2026 14:00 GMT": at(11, 30, 14, 0), "try again after Dec 1st": at(12, 1, 0, 0), "regain access on Dec. 5, 2026, 10:30 PM PST": at(12, 6, 6, 30),
			"resets Mon, 30 Nov 2026 13:00:00 GMT": at(11, 30, 13, 0), "Your limit resets on 2026-12-01": at(12, 1, 0, 0), "until 2026/11/24 08:00": at(11, 24, 8, 0), "resets Nov 23 at 2am": at(11, 23, 2, 0), "resets Jan 2": 35 * day, "resets Nov 21": 35 * day,
			"将于 2026-11-26 21:30:00 自动恢复": at(11, 26, 21, 30), "将于 2026年11月26日 21时30分 重置": at(11, 26, 21, 30), "2026-11-26 21:30 之后恢复": at(11, 26, 21, 30), "北京时间 2026-11-26 21:30:00 重置": at(11, 26, 13, 30),
			"reset at 2026-11-26 23:59:00 +0800 CST.": at(11, 26, 15, 59), "resets at 2026-11-26T21:30:00.5+08:00": at(11, 26, 13, 30) + 500*time.Millisecond, "reset at 2026-11-26 21:30 (UTC+8)": at(11, 26, 13, 30), "reset at 2026-11-26 21:30:00 (Asia/Shanghai)": at(11, 26, 13, 30), "reset after 2026-11-26 21:30:00 GMT+8": at(11, 26, 13, 30),
			`{"reset_at":"November 30, 2026 at 2:00 AM"}`: at(11, 30, 2, 0), `{"reset_at":"2026-11-26 23:59:59 +0800 CST"}`: at(11, 26, 15, 59) + 59*time.Second, `{"reset_at":"2026-12-01"}`: at(12, 1, 0, 0),
		},
		"a time of the day": {
			"Please try again after 00:00": at(11, 24, 0, 0), "resets at 3pm (UTC)": at(11, 23, 15, 0), "resets 5:00 PM": at(11, 23, 17, 0), "resets 5:00 a.m.": at(11, 24, 5, 0), "limit reached ∙ resets 3pm (America/Los_Angeles)": at(11, 23, 23, 0), "resets at 14:30 UTC": at(11, 23, 14, 30),
			"resets at 12:12:52": at(11, 23, 12, 12) + 52*time.Second, "resets daily at midnight UTC": at(11, 24, 0, 0), "resets at midnight Pacific time": at(11, 24, 8, 0), "resets at 9am +0800": at(11, 24, 1, 0), "wird um 18:00 zurückgesetzt, verfügbar ab 18:00": at(11, 23, 18, 0),
		},
		"an instant": {"usage limit reached|1795438800": time.Unix(1795438800, 0).Sub(noon)},
	} {
		for text, want := range said {
			got := resetOf(nil, http.Header{}, text, "usage-limit")
			if assert.NotZero(t, got, "%s: %s", form, text) {
				assert.Equal(t, want, got.Sub(noon), "%s: %s", form, text)
			}
		}
	}
}

// A stamp without a zone is in the zone of the provider's row. A stamp's own zone comes first.
func TestSpokenStampsAreInTheProvidersZone(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"reset at 2026-11-23 21:00": time.Hour, "resets Nov 23, 9:00 PM": time.Hour, "resets at 9pm": time.Hour, "resets at 9pm CST": time.Hour, "resets at midnight": 4 * time.Hour,
		"resets at 1pm UTC": time.Hour, "reset at 2026-11-23 14:00 +0100": time.Hour,
	} {
		assert.Equal(t, noon.Add(want), resetOf(beijing, http.Header{}, text, "usage-limit").UTC(), text)
	}
}

func TestNumbersThatAreNoResets(t *testing.T) {
	for kind, texts := range map[string][]string{
		"amount":     {"Limit 40000, Used 39485, Requested 787. Please retry.", "retry 3 times", "again: 5 requests", "available: 5 models", "Available balance: $5 m", "retry with at most 20 images", "wait, 1042/1000", "again, 100% used"},
		"id":         {"Please retry. Request id: 5d3h2m", "try again (request id: 20260318061524)", "retry req_12s", "retry 0f-30s", "again team-3d", "reset|17463888001", "retry 00:1b:44:11:3a:b7", "available at pool/7d"},
		"version":    {"refresh your client to v2.5 s", "Retry with client 1.2.3 h", "available since HTTP/1 s", "retry with gpt-4-2024-05-13", "available in gpt-4o-2026-12-13", "try again with claude-3-5-sonnet-20241022", "model 2026-12-01 is available", "Available: gpt-4o 2026-12-13"},
		"price":      {"Available from $3 h", "again for €5 d", "renew for ¥30 天后", "available at 2.50 USD", "renew: $10 per million"},
		"no meaning": {"the key was made 12 minutes ago", "Used 5h in total", "logs of 2026-11-26 21:30:00", "on November 30, 2026 we change our terms", "令牌于 2026-11-26 21:30:00 过期", "12 分钟内已用尽", "meeting at 3pm", "limit of 5m tokens", "you may retry", "retry at march", "resets Feb 30", "reset at 2026-13-01 00:00", "reset at 2026-02-30 00:00", "resets at 25:00", "resets at 13pm", "retry after -60s", "in 12 minutes"},
	} {
		for _, text := range texts {
			assert.Zero(t, resetOf(nil, http.Header{}, text, "usage-limit"), "%s: %s", kind, text)
		}
	}
}

func TestWordsThatAreNoPeriods(t *testing.T) {
	for _, text := range []string{
		"permission denied", "performance", "a second attempt", "per model", "superuser", "dayton limit", "minutes of silence", "two weeks", "the day before", "per request", "upper limit", "tpmx", "person", "10 calls / minute",
	} {
		assert.Zero(t, readEvidence(Provider{}, 429, nil, []byte(text)).namedPeriod("usage-limit"), text)
	}
}
