import pytest

from perfkit.analyze.classes import BUSY, kernel_class, operator_class


@pytest.mark.parametrize(
    ("kernel", "operator", "label"),
    [
        ("void cutlass::Kernel2<cutlass_80_tensorop_s16816gemm_bf16>", "aten::mm", "matmul"),
        ("nvjet_sm90_tst_192x128_64x5_1x2_h_bz_coopB_TNT", "aten::addmm", "matmul"),
        ("nvjet_sm90_tst_64x64_64x13_2x1_v_bz_splitK_NTT", "aten::convolution_backward", "convolution"),
        ("Cijk_Ailk_Bljk_SB_MT64x64x16", "", "matmul"),
        ("sm90_xmma_fprop_implicit_gemm_bf16bf16", "", "convolution"),
        ("cudnn_generated_fort_native_sdpa_sm90_flash_bprop", "aten::_cudnn_attention_backward", "attention"),
        ("void cudnn::fusion::compute_dot_do_o_specialized", "aten::_cudnn_attention_backward", "attention"),
        ("fmha_cutlassF_f32_aligned_64x64_rf_sm80", "aten::_efficient_attention_forward", "attention"),
        ("void cudnn::bn_bw_1C11_kernel_new", "", "normalisation"),
        ("void at::native::batch_norm_collect_statistics", "aten::native_batch_norm", "normalisation"),
        ("void at::native::vectorized_elementwise_kernel", "aten::mul", "elementwise"),
        ("void at::native::reduce_kernel<128, 4>", "aten::sum", "reduction"),
        ("cunn_SoftMaxForward", "aten::_softmax", "reduction"),
        ("max_pool_backward_nhwc", "aten::max_pool2d_with_indices_backward", "pooling"),
        ("ncclDevKernel_AllReduce_Sum_f32_RING_LL", "", "communication"),
        ("ncclKernel_AllReduce_RING_LL_Sum_float", "aten::linear", "communication"),
        ("void split_embedding_backward_codegen(fbgemm_gpu::x)", "", "embedding"),
        ("void fbgemm_gpu::permute_2D_data_kernel", "", "other"),
        ("triton_poi_fused_add_relu_0", "", "elementwise"),
        ("triton_per_fused__to_copy_add_native_layer_norm_5", "", "normalisation"),
        ("triton_red_fused_sum_7", "", "reduction"),
        ("triton_tem_fused_mm_0", "", "matmul"),
        ("my_own_kernel", "", "other"),
    ],
)
def test_kernels_are_what_their_name_and_operator_say(kernel, operator, label):
    assert kernel_class(kernel, operator) == label
    assert label in BUSY


def test_an_operator_that_says_nothing_has_no_class():
    assert operator_class("aten::empty") is None
    assert operator_class("aten::mm") == "matmul"
