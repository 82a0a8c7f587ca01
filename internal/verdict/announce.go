package verdict

import (
	"slices"
	"strings"
	"sync"
)

// Words that announce the end of a limit, as parts of words. The text is in lower case.
const (
	announcers = "again retry reset renew refresh recover available" +
		" replenish resum restor regain lifted unblock cooldown cooling back_in try_in ends_in ends_at lifts_in" +
		" expires_in continue_in" +
		" erneut versuch zurückgesetzt verfügbar wieder" +
		" réessa reessa réinitialis nouveau disponible" +
		" reint intént inténtel vuelva restablec reinici nuevo disponível novamente tente redefin renov" +
		" повтор попробуй снова сброс обнов восстанов доступ" +
		" 将在 将于 將在 將於 重置 恢复 恢復 重试 重試 刷新 解除 リセット 再試行 다시 재설정 초기화"
	// Before a length, they say that it is one of waiting.
	waits = " wait unlock quotaresetdelay warte attend patient esper aguard подожд через 等待 稍等 お待ち 기다"
	// Before a stamp.
	points = " until after до bis jusqu hasta até 直到 请在 请于"
	// Behind a statement.
	behind = " reset retry retrying again renew refresh recover unlock available next" +
		" 重置 恢复 恢復 重试 重試 再试 再試 刷新 更新 解除 解封 解锁 可用 再次 再请求 继续 繼續 重新 稍后" +
		" リセット 再試行 再度 もう一度 お試し 回復 復活 다시 재시도 재설정 초기화 해제 시도"
)

var (
	lengthAnnouncers = sync.OnceValue(func() []string { return phrases(announcers + waits) })
	stampAnnouncers  = sync.OnceValue(func() []string { return phrases(announcers + points) })
	recoveries       = sync.OnceValue(func() []string { return phrases(behind) })
)

// phrases returns the words of a list. A _ in it stands for a space.
func phrases(list string) []string {
	words := strings.Fields(list)
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, "_", " ")
	}
	return slices.Clip(words)
}
